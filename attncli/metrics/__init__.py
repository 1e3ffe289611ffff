"""Corpus metrics as sums over sentences, their bootstrap bounds and paired tests. No torch is imported here."""

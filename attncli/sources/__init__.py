"""Kinds of sources: how each is read, encoded and drawn."""

"""Corpora on disk, batches of them, and the data sets the project knows."""

"""Rows of numbers, which autoencoders read."""

"""Folders of trained runs: written, and read again."""

"""Data sets that can be fetched, and toy ones that are made."""

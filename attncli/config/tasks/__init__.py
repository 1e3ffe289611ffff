"""The configuration of each task."""

"""The whole configuration of each task."""

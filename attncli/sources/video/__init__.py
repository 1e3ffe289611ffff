"""Films as sources."""

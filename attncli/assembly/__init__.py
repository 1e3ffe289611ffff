"""Models and corpora put together from a configuration."""

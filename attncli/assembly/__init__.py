"""Builds models and corpora from a configuration."""

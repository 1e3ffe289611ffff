"""The encoders of each kind of source."""

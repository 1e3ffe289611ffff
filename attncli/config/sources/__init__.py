"""Keys of the encoders of each kind of source."""

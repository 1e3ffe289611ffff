"""Numbers of an evaluation as people read them."""

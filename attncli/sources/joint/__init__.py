"""Several sources at once, such as an image and a question about it."""

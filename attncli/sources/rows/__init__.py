"""Examples of fixed size as rows of numbers, which autoencoders read."""

"""Train and evaluate attention encoder-decoders from the command line."""

__version__ = "0.1.0"

"""Networks that turn a source into a memory."""

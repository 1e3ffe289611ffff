"""The device, its arithmetic and its memory."""

"""Networks that write a target token by token, reading a memory."""

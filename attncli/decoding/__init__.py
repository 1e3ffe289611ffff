"""From a memory to what is written for it."""

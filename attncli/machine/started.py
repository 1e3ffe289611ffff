"""What a launcher tells a process that it starts."""

from __future__ import annotations

import os


def started_processes() -> int:
    """Return how many processes a launcher such as torchrun has started, this one included; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))

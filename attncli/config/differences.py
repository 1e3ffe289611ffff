"""The keys in which two configurations differ."""

from __future__ import annotations

from typing import Any


def differing(before: Any, after: Any, path: str = "") -> dict[str, tuple[Any, Any]]:
    """Return both values of each dotted key, below `path`, whose values differ between two dumped sections."""
    if isinstance(before, dict) and isinstance(after, dict):
        found = {}
        for key in {**before, **after}:
            found.update(differing(before.get(key), after.get(key), f"{path}.{key}" if path else str(key)))
        return found
    return {} if before == after else {path: (before, after)}

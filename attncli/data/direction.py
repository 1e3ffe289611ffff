"""The direction in which a source is played that lasts some time, as part of its cell."""

from __future__ import annotations


class Backwards(str):
    """The path of a film or recording that is played from its end to its start; another cell than the path alone."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Backwards) and str.__eq__(self, other)

    # str has its own, which would call this equal to the path.
    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


def is_backwards(cell: str) -> bool:
    """Return whether `cell` is played from its end."""
    return isinstance(cell, Backwards)


def turned(cell: str) -> str:
    """Return the cell of the same film or recording played the other way."""
    return str(cell) if is_backwards(cell) else Backwards(cell)


def mark_of(cell: str) -> str:
    """Return what stands behind the name of `cell`, so that a reader sees which way it is played."""
    return " (backwards)" if is_backwards(cell) else ""

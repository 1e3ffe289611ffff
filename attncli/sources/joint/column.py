"""Several columns as the one side of a corpus.

N examples, B of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from attncli.data.columns import Array, Column, Packed, Seeds
from attncli.data.packs import Packs


@dataclass(frozen=True)
class Member:
    """A column of different values, of which examples may share some, as questions share an image."""

    column: Column
    value_of: Array  # [N], the value of each example


@dataclass(frozen=True)
class JointColumn:
    """What several encoders read of each example."""

    members: Sequence[Member]  # in the order of the encoders
    lengths: Array  # [N] int32, positions of all memories

    def start(self, rows: Array, seeds: Seeds | None) -> Callable[[], Packed]:
        """Begin to read the values of the examples `rows` [B] for every encoder."""
        waiting = [member.column.start(member.value_of[rows], seeds) for member in self.members]
        return lambda: Packs(tuple(wait() for wait in waiting))

"""Several columns as the one side of a corpus.

N examples, B of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from attncli.data.columns import Array, Column, Packed, Seeds
from attncli.data.packs import Packs, Shared


@dataclass(frozen=True)
class Member:
    """A column of different values, of which examples may share some, as questions share an image."""

    column: Column
    value_of: Array  # [N], the value of each example

    def start(self, rows: Array, seeds: Seeds | None, *, once: bool) -> Callable[[], Packed]:
        """Begin to read the values of the examples `rows` [B]; `once` reads what they share as the first asks for."""
        values = self.value_of[rows]
        if not once:
            return self.column.start(values, seeds)
        distinct, first, value_of = np.unique(values, return_index=True, return_inverse=True)
        wait = self.column.start(distinct, None if seeds is None else [seeds[at] for at in first])
        return lambda: Shared(wait(), torch.from_numpy(value_of))


@dataclass(frozen=True)
class JointColumn:
    """What several encoders read of each example."""

    members: Mapping[str, Member]  # in the order of the encoders
    lengths: Array  # [N] int32, positions of all memories
    once: str | None = None  # the member whose values the examples of a batch share

    def sharing(self, name: str) -> JointColumn:
        """Return the same with each value of the member `name` read and encoded once a batch."""
        return replace(self, once=name)

    def start(self, rows: Array, seeds: Seeds | None) -> Callable[[], Packed]:
        """Begin to read the values of the examples `rows` [B] for every encoder."""
        waiting = [member.start(rows, seeds, once=name == self.once) for name, member in self.members.items()]
        return lambda: Packs(tuple(wait() for wait in waiting))

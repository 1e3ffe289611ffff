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

    def start(self, rows: Array, seeds: Seeds | None) -> Callable[[], Packed]:
        """Begin to read the values of the examples `rows` [B]."""
        return self.column.start(self.value_of[rows], seeds)

    def start_once(self, rows: Array, seeds: Seeds | None) -> Callable[[], Packed]:
        """Begin to read the same, each value once for all that share it in the batch."""
        distinct, value_of = np.unique(self.value_of[rows], return_inverse=True)
        if seeds is not None:
            # By the value, not by one of its examples: which of them are here depends on the number of processes.
            seeds = [(*seeds[0][:-1], value) for value in distinct.tolist()]
        wait = self.column.start(distinct, seeds)
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
        waiting = [
            member.start_once(rows, seeds) if name == self.once else member.start(rows, seeds)
            for name, member in self.members.items()
        ]
        return lambda: Packs(tuple(wait() for wait in waiting))

"""Values of one kind: read one by one, packed into batches, and as a side of a corpus.

N values, B of a batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy.typing as npt
import torch

Array = npt.NDArray[Any]
Item = TypeVar("Item")
Seeds = Sequence[Sequence[int]]
"""What decides how each value of a batch is varied, as training does it."""


class Packed(Protocol):
    """Values of one kind as one batch: padded tokens, pixels, features."""

    @property
    def size(self) -> int:
        """What the values count in the size of a batch: their tokens, or 0 where they have none."""

    def __len__(self) -> int: ...

    def to(self, device: torch.device) -> Packed:
        """Return the same on `device`."""


@dataclass(frozen=True)
class Places:
    """What the positions of a source are called: by tokens, or as cells of a grid, row by row."""

    tokens: tuple[str, ...] | None = None
    grid: tuple[int, ...] | None = None


class Reader(ABC, Generic[Item]):
    """Reads single values of one kind as their encoder takes them; one reader serves training and use."""

    ahead: int = 1
    """Values that are read before the first answer, so that those of like lengths share a batch."""
    on_threads: bool = False
    """Whether reading leaves Python's lock for so long that threads help."""

    @abstractmethod
    def read(self, cell: str, *, seed: Sequence[int] | None = None) -> Item:
        """Return the value of `cell`, a sentence or the path of a file, varied by `seed`; a DataError names it."""

    @abstractmethod
    def pack(self, items: Sequence[Item]) -> Packed:
        """Return `items` as one batch."""

    def length(self, item: Item) -> int:
        """Return the positions of `item`; for a source of none nothing is written."""
        return 1

    def places(self, item: Item) -> Places:
        """Return what the positions of `item` are called; a grid's shape is known to the memory alone."""
        return Places()

    def words(self, cell: str, item: Item) -> Sequence[str]:
        """Return what may replace an unknown token, a word for each position; nothing where there are no words."""
        return ()


class Column(Protocol):
    """One side of a corpus: N values of one kind, read when they are needed."""

    @property
    def lengths(self) -> Array:
        """[N] int32: positions of each, 1 where all are of one size; like lengths share a batch."""

    def start(self, rows: Array, seeds: Seeds | None) -> Callable[[], Packed]:
        """Begin to read the values `rows` [B], varied by `seeds` if there are any; what is returned waits for them."""


class ReadColumn(Generic[Item]):
    """Values that a reader reads from their cells, on threads of `pool` if there is one."""

    def __init__(self, cells: Sequence[str], lengths: Array, reader: Reader[Item], pool: ThreadPoolExecutor | None):
        self.cells, self._lengths, self.reader, self.pool = cells, lengths, reader, pool

    @property
    def lengths(self) -> Array:
        """[N] int32."""
        return self._lengths

    def start(self, rows: Array, seeds: Seeds | None) -> Callable[[], Packed]:
        """Begin to read the values `rows` [B]."""
        varied: Sequence[Sequence[int] | None] = [None] * len(rows) if seeds is None else seeds
        wanted = list(zip(rows.tolist(), varied, strict=True))
        if self.pool is None:
            return lambda: self.reader.pack([self.reader.read(self.cells[row], seed=seed) for row, seed in wanted])
        waiting: list[Future[Item]] = [
            self.pool.submit(self.reader.read, self.cells[row], seed=seed) for row, seed in wanted
        ]
        return lambda: self.reader.pack([each.result() for each in waiting])

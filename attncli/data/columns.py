"""Values of one kind: read one by one, packed into batches, or as one side of a corpus.

N values, B of a batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from attncli.text.copies import Vocabulary
from attncli.text.tokenizer import Tokenizer

Array = npt.NDArray[Any]
Item = TypeVar("Item")
Seeds = Sequence[Sequence[int]]
"""Seeds that decide how each value of a batch is augmented in training."""


class Packed(Protocol):
    """Values of one kind as one batch: padded tokens, pixels, features."""

    @property
    def size(self) -> int:
        """What the values add to the reported size of a batch: their tokens, or 0 if they have none."""

    def __len__(self) -> int: ...

    def to(self, device: torch.device) -> Packed:
        """Return the same on `device`."""


@dataclass(frozen=True)
class Places:
    """What the positions of a source are: named tokens, the cells of a grid, row by row, or parts of time."""

    tokens: tuple[str, ...] | None = None
    grid: tuple[int, ...] | None = None
    words: tuple[str, ...] = ()  # the first tokens as the source has them, where the vocabulary lacks some
    seconds: float | None = None  # how long each position lasts; position s begins after s of them
    duration: float | None = None  # seconds that the whole source lasts

    @property
    def labels(self) -> tuple[str, ...]:
        """What drawings call the tokens: those that the vocabulary lacks as they are written in the source."""
        assert self.tokens is not None, "only tokens have labels"
        return (*self.words, *self.tokens[len(self.words) :])


class Reader(ABC, Generic[Item]):
    """Reads values of one kind in the form their encoder takes; the same reader serves training and use."""

    ahead: int = 1
    """How many values are read before the first is decoded, so that similar lengths can share a batch."""
    on_threads: bool = False
    """Whether reading releases the GIL for long enough that threads help."""

    @abstractmethod
    def read(self, cell: Any, *, seed: Sequence[int] | None = None) -> Item:
        """Return the value of `cell`, augmented as `seed` decides; a DataError names `cell`.

        A cell is a sentence, a path, or several of them by their names.
        """

    @abstractmethod
    def pack(self, items: Sequence[Item]) -> Packed:
        """Return `items` as one batch."""

    def length(self, item: Item) -> int:
        """Return the number of positions of `item`; a source with none gets an empty output."""
        return 1

    def ids(self, item: Item) -> Array:
        """Return the ids of the tokens of `item`, without the end symbol; a source that is no text has none."""
        return np.zeros(0, np.int64)

    def places(self, item: Item) -> Places:
        """Return what the positions of `item` are called; only the memory knows the shape of a grid."""
        return Places()

    def words(self, cell: Any, item: Item) -> Sequence[str]:
        """Return a word for each position, which may replace an unknown token; empty if the source has no words."""
        return ()

    def vocabulary(self, cell: Any, item: Item, tokenizer: Tokenizer) -> Vocabulary:
        """Return what can be written for `cell`: the entries of `tokenizer`, and words of its own that are copied."""
        return Vocabulary(tokenizer)

    def parts(self, cell: Any, item: Item) -> Mapping[str, Value]:
        """Return the sources that `cell` is made of, by their names; nothing where it is one source."""
        return {}


class Value(NamedTuple):
    """A source with its value and what read it."""

    reader: Reader[Any]
    cell: str
    item: Any

    @property
    def places(self) -> Places:
        """What its positions are called."""
        return replace(self.reader.places(self.item), words=tuple(self.reader.words(self.cell, self.item)))


class Column(Protocol):
    """One side of a corpus: N values of one kind, read when they are needed."""

    @property
    def lengths(self) -> Array:
        """[N] int32, the positions of each value, or 1 where all have one size."""

    def start(self, rows: Array, seeds: Seeds | None) -> Callable[[], Packed]:
        """Begin to read the values `rows` [B], augmented by `seeds` if given; the function returned waits for them."""


class ReadColumn(Generic[Item]):
    """Values that a reader reads from their cells, on the threads of `pool` if there is one."""

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

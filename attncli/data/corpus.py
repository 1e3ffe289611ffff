"""Corpora: sources of any kind with their targets, as batches.

M sources, N examples, B of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from attncli.data.columns import Column, Packed, Seeds
from attncli.data.tokens import TokenColumn, Tokens

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Batch:
    """Sources and their targets, row by row."""

    source: Any  # as the encoder takes it
    target: Tokens
    size: int  # what the reported speed counts: real tokens of the target, and of a source that is text
    terms: int  # real target tokens, over which the loss is summed

    def to(self, device: torch.device) -> Batch:
        """Return the same on `device`."""
        return Batch(self.source.to(device), self.target.to(device), self.size, self.terms)


@dataclass(frozen=True)
class DrawnBatch:
    """Sources for which targets are sampled."""

    source: Any  # as the encoder takes it
    rows: tuple[int, ...]  # their indices in the corpus
    size: int  # targets to sample, for all of them together

    @property
    def terms(self) -> int:
        """What the loss is divided by."""
        return self.size

    def to(self, device: torch.device) -> DrawnBatch:
        """Return the same on `device`."""
        return DrawnBatch(self.source.to(device), self.rows, self.size)


@dataclass(frozen=True)
class Corpus:
    """N examples over M sources; several examples may share a source, as the captions of an image do."""

    source: Column
    target: TokenColumn
    source_of: Array  # [N], the source of each example, in ascending order
    cells: Sequence[Any]  # [M], the sentences or paths of the sources; empty if nothing needs them
    texts: Sequence[Sequence[str]]  # [M], the targets of each source as text

    def __len__(self) -> int:
        return len(self.source_of)

    @property
    def sources(self) -> int:
        """M."""
        return len(self.source.lengths)

    @property
    def source_lengths(self) -> Array:
        """[N] int32."""
        lengths: Array = self.source.lengths[self.source_of]
        return lengths

    @property
    def target_lengths(self) -> Array:
        """[N] int32, including the end symbol."""
        return self.target.lengths

    @property
    def first_examples(self) -> Array:
        """[M], the first example of each source."""
        return np.searchsorted(self.source_of, np.arange(self.sources))

    @property
    def references(self) -> list[list[str | None]]:
        """Sets of references, each with one per source, or None where a source has fewer targets than others."""
        return reference_sets(self.texts)

    def batch(self, rows: Array, source: Packed) -> Batch:
        """Return the examples `rows` [B], whose sources are `source`."""
        target = self.target.batch(rows)
        terms = target.size
        return Batch(source, target, source.size + terms, terms)


def reference_sets(texts: Sequence[Sequence[str]]) -> list[list[str | None]]:
    """Return the targets as sets of references, each with one per source, or None where a source has fewer."""
    most = max(map(len, texts))
    return [[found[at] if at < len(found) else None for found in texts] for at in range(most)]


class CorpusBatches(Sequence[Any]):
    """Batches of a corpus, made on demand while the sources of the next `ahead` batches are being read.

    `make` builds a batch from the indices [B] of its examples and their sources. With `variation` each source is
    augmented as those numbers and the index of its example decide.
    """

    def __init__(
        self,
        corpus: Corpus,
        rows: Sequence[Array],
        make: Callable[[Array, Packed], Any],
        *,
        variation: Sequence[int] | None,
        ahead: int = 0,
    ):
        self.corpus, self.rows, self.make, self.variation, self.ahead = corpus, rows, make, variation, ahead
        self._started: dict[int, Callable[[], Packed]] = {}

    def dealt(self, rank: int, count: int) -> CorpusBatches:
        """Return the same batches with every `count`-th of their examples, from the one at `rank`; or None for none.

        Neighbours in a batch are of like length, so all parts of it take about the same time.
        """
        rows = [of_batch[rank::count] for of_batch in self.rows]
        return CorpusBatches(self.corpus, rows, self.make, variation=self.variation, ahead=self.ahead)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Any:  # type: ignore[override]
        for at in range(index, min(index + 1 + self.ahead, len(self.rows))):
            if at not in self._started and len(self.rows[at]):
                self._started[at] = self._start(self.rows[at])
        if not len(self.rows[index]):
            return None
        return self.make(self.rows[index], self._started.pop(index)())

    def _start(self, rows: Array) -> Callable[[], Packed]:
        seeds: Seeds | None = None
        if self.variation is not None:
            # Not the place in the batch: a resumed training must see the same however its batches are read.
            seeds = [(*self.variation, example) for example in rows.tolist()]
        return self.corpus.source.start(self.corpus.source_of[rows], seeds)

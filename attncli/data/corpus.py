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
    """Sources with their targets, row by row."""

    source: Any  # as the encoder takes it
    target: Tokens
    size: int  # what the reported speed counts: real tokens, of the source too where that is text
    terms: int  # real target tokens, which the loss is a sum over

    def to(self, device: torch.device) -> Batch:
        """Return the same on `device`."""
        return Batch(self.source.to(device), self.target.to(device), self.size, self.terms)


@dataclass(frozen=True)
class DrawnBatch:
    """Sources for which targets are drawn."""

    source: Any  # as the encoder takes it
    rows: tuple[int, ...]  # their numbers in the corpus
    size: int  # targets that are drawn for all of them

    @property
    def terms(self) -> int:
        """What the loss is divided by."""
        return self.size

    def to(self, device: torch.device) -> DrawnBatch:
        """Return the same on `device`."""
        return DrawnBatch(self.source.to(device), self.rows, self.size)


@dataclass(frozen=True)
class Corpus:
    """N examples over M sources; several may share one, as the captions of an image do."""

    source: Column
    target: TokenColumn
    source_of: Array  # [N], the source of each example; those of one source follow each other
    cells: Sequence[str]  # [M], the sentences or paths of the sources; empty where nothing asks for them
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
        """[N] int32, the end symbol counted."""
        return self.target.lengths

    @property
    def first_examples(self) -> Array:
        """[M], the first example of each source."""
        return np.searchsorted(self.source_of, np.arange(self.sources))

    @property
    def references(self) -> list[list[str | None]]:
        """For each set of references one a source, None where a source has fewer targets than others."""
        return reference_sets(self.texts)

    def batch(self, rows: Array, source: Packed) -> Batch:
        """Return the examples `rows` [B] with `source`, theirs."""
        target = self.target.batch(rows)
        terms = target.size
        return Batch(source, target, source.size + terms, terms)


def reference_sets(texts: Sequence[Sequence[str]]) -> list[list[str | None]]:
    """Return the targets of each source as sets of references, with None where a source has fewer than others."""
    most = max(map(len, texts))
    return [[found[at] if at < len(found) else None for found in texts] for at in range(most)]


class CorpusBatches(Sequence[Any]):
    """Batches of a corpus, made when asked for; the sources of the next `ahead` ones are being read.

    `make` gives the batch of the examples [B] of a row with their sources. With `variation` the source of an example is
    varied, as its number and those of `variation` decide.
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

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Any:  # type: ignore[override]
        for at in range(index, min(index + 1 + self.ahead, len(self.rows))):
            if at not in self._started:
                self._started[at] = self._start(self.rows[at])
        return self.make(self.rows[index], self._started.pop(index)())

    def _start(self, rows: Array) -> Callable[[], Packed]:
        seeds: Seeds | None = None
        if self.variation is not None:
            seeds = [(*self.variation, example) for example in rows.tolist()]
        return self.corpus.source.start(self.corpus.source_of[rows], seeds)

"""Token sequences: padded to a batch, or end to end as one side of a corpus.

N sequences, B of a batch, L positions, n real tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from attncli.text.tokenizer import EOS, PAD

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Copies:
    """The tokens of sources as a decoder that copies writes them.

    Those that its vocabulary lacks are numbered after it, anew for each source, in the order they appear there.
    """

    ids: Tensor  # [B, L] int64, PAD beyond a row's length
    words: int  # how many words there are to write: the vocabulary, and the most that any source adds

    def to(self, device: torch.device) -> Copies:
        """Return the same on `device`."""
        return Copies(self.ids.to(device, non_blocking=True), self.words)


@dataclass(frozen=True)
class Tokens:
    """Token sequences, one per row, padded to the longest; each but a label ends with the end symbol."""

    ids: Tensor  # [B, L] int64, PAD beyond a row's length
    lengths: Tensor  # [B] int64, including the end symbol
    copies: Copies | None = None  # of sources from which a decoder copies

    @property
    def size(self) -> int:
        """The number of real tokens, including end symbols."""
        return int(self.lengths.sum())

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def mask(self) -> Tensor:
        """[B, L] bool, True at real tokens."""
        return self.ids != PAD

    def real(self, values: Tensor) -> Tensor:
        """Return `values` [B, L, ...] at the real tokens, [n, ...]."""
        return values.flatten(0, 1).index_select(0, self._places)

    def spread(self, values: Tensor) -> Tensor:
        """Return `values` [n] at the real tokens of [B, L], and 0 at the others."""
        return values.new_zeros(self.ids.numel()).index_copy(0, self._places, values).view(self.ids.shape)

    @cached_property
    def _places(self) -> Tensor:
        """[n] int64: where real tokens are in `ids` read row by row; no field, since those have a row per sequence."""
        # Not a tensor of inference, which a training step that uses the same batch later could not take.
        with torch.inference_mode(mode=False):
            return self.mask.flatten().nonzero()[:, 0]

    def to(self, device: torch.device) -> Tokens:
        """Return the same on `device`."""
        copies = None if self.copies is None else self.copies.to(device)
        moved = Tokens(self.ids.to(device, non_blocking=True), self.lengths.to(device, non_blocking=True), copies)
        # Found here, since one would have to wait for a device to tell how many tokens are real.
        vars(moved)["_places"] = self._places.to(device, non_blocking=True)
        return moved


def pad_tokens(sequences: Sequence[np.ndarray]) -> Tokens:
    """Return `sequences`, which already have their end symbols, as rows padded to the longest."""
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    ids = np.full((len(sequences), int(lengths.max())), PAD, dtype=np.int64)
    for row, sequence in zip(ids, sequences, strict=True):
        row[: len(sequence)] = sequence
    return Tokens(torch.from_numpy(ids), lengths)


def pad_copies(sequences: Sequence[np.ndarray], vocabulary: int) -> Copies:
    """Return the numbers of what is copied from each source, for a decoder with `vocabulary` entries of its own."""
    ids = pad_tokens(sequences).ids
    return Copies(ids, max(vocabulary, int(ids.max()) + 1))


@dataclass(frozen=True)
class TokenColumn:
    """Token sequences end to end; row n is `tokens[offsets[n] : offsets[n + 1]]`, its end symbol included."""

    tokens: Array  # [all tokens] uint16 or uint32
    offsets: Array  # [N + 1] int64

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]], *, end: tuple[int, ...] = (EOS,)) -> TokenColumn:
        """Return the sequences `rows`, adding `end` to each."""
        offsets = np.cumsum([0, *(len(row) + len(end) for row in rows)])
        closed = (token for row in rows for token in (*row, *end))
        return cls(np.fromiter(closed, np.uint32, int(offsets[-1])), offsets)

    @cached_property
    def lengths(self) -> Array:
        """[N] int32, including the end symbol."""
        return np.diff(self.offsets).astype(np.int32)

    def row(self, index: int) -> Array:
        """Return the ids of sequence `index`, from 0."""
        return self.tokens[self.offsets[index] : self.offsets[index + 1]]

    def batch(self, rows: Array) -> Tokens:
        """Return the sequences `rows` [B] as one padded batch, in that order."""
        return pad_tokens([self.row(int(row)) for row in rows])

    def start(self, rows: Array, seeds: Any) -> Callable[[], Tokens]:
        """Return a function that gives the sequences `rows` [B]; text is not augmented."""
        return lambda: self.batch(rows)


@dataclass(frozen=True)
class CopiedColumn:
    """Sources with their tokens as a decoder that copies writes them."""

    source: TokenColumn
    copies: TokenColumn
    vocabulary: int  # entries of the decoder's own

    @property
    def lengths(self) -> Array:
        """[N] int32, including the end symbol."""
        return self.source.lengths

    def start(self, rows: Array, seeds: Any) -> Callable[[], Tokens]:
        """Return a function that gives the sources `rows` [B]; text is not augmented."""

        def batch() -> Tokens:
            copies = pad_copies([self.copies.row(int(row)) for row in rows], self.vocabulary)
            return replace(self.source.batch(rows), copies=copies)

        return batch

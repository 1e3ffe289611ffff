"""What a training step sees: padded token sequences.

B sequences, L positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from attncli.text.tokenizer import PAD


@dataclass(frozen=True)
class Tokens:
    """Token sequences, one a row, each closed by the end symbol and padded to the longest."""

    ids: Tensor  # [B, L] int64, PAD beyond a row's length
    lengths: Tensor  # [B] int64, the end symbol counted

    @property
    def mask(self) -> Tensor:
        """[B, L] bool, True where a token is."""
        return self.ids != PAD

    def to(self, device: torch.device) -> Tokens:
        """Return the same on `device`."""
        return Tokens(self.ids.to(device, non_blocking=True), self.lengths.to(device, non_blocking=True))


@dataclass(frozen=True)
class Batch:
    """Sources with their targets, row by row."""

    source: Tokens
    target: Tokens
    source_tokens: int  # real tokens, the end symbols counted
    target_tokens: int  # real tokens, the end symbols counted

    @property
    def size(self) -> int:
        """Real tokens of both sides."""
        return self.source_tokens + self.target_tokens

    @property
    def terms(self) -> int:
        """Real target tokens, which the loss is a sum over."""
        return self.target_tokens

    def to(self, device: torch.device) -> Batch:
        """Return the same on `device`."""
        return Batch(self.source.to(device), self.target.to(device), self.source_tokens, self.target_tokens)


def pad_tokens(sequences: Sequence[np.ndarray]) -> Tokens:
    """Return `sequences`, whose ids already end with the end symbol, as rows padded to the longest."""
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    ids = np.full((len(sequences), int(lengths.max())), PAD, dtype=np.int64)
    for row, sequence in zip(ids, sequences, strict=True):
        row[: len(sequence)] = sequence
    return Tokens(torch.from_numpy(ids), lengths)

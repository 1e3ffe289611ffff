"""What networks over sequences read: a vector for each position of a source, whatever the source is.

B sources, S positions, E width of a vector.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from attncli.data.tokens import Tokens


@dataclass(frozen=True)
class Embedded:
    """A vector for each position."""

    states: Tensor  # [B, S, E]
    lengths: Tensor  # [B] int64, the real positions of each row
    mask: Tensor  # [B, S] bool, True at them

    @classmethod
    def of(cls, states: Tensor, lengths: Tensor) -> Embedded:
        """Return `states` [B, S, E], of which the first `lengths` [B] of each row are real."""
        at = torch.arange(states.shape[1], device=lengths.device)
        return cls(states, lengths, at < lengths[:, None])


class Embedding(nn.Module, ABC):
    """Makes the vectors of a source's positions."""

    size: int
    """E."""

    @abstractmethod
    def read(self, source: Any) -> Embedded:
        """Return the vectors of `source`."""


class TokenEmbedding(nn.Embedding, Embedding):
    """A learned vector for each entry of a vocabulary."""

    @property
    def size(self) -> int:  # type: ignore[override]
        """E."""
        return self.embedding_dim

    def read(self, source: Tokens) -> Embedded:
        """Return the vectors of the tokens of `source`."""
        return Embedded(self(source.ids), source.lengths, source.mask)

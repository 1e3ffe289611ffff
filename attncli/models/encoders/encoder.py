"""What every encoder does.

B sources, L layers, S positions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from attncli.data.batch import Tokens
from attncli.models.memory import Memory


class Encoder(nn.Module, ABC):
    """Turns sources into a memory of width `memory_size`."""

    embedding: nn.Embedding
    memory_size: int

    @abstractmethod
    def forward(self, source: Tokens) -> Memory:
        """Return the memory of `source`."""

    def self_weights(self, source: Tokens) -> Tensor | None:
        """Return how much each position looks at each other, [B, L, heads, S, S]; None where none looks at others.

        Rows are those that look.
        """
        return None

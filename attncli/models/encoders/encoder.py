"""The interface of encoders.

B sources, L layers, S positions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn

from attncli.models.memory import Memory


class Encoder(nn.Module, ABC):
    """Turns sources into a memory of width `memory_size`."""

    memory_size: int
    heads_are_directions: ClassVar[bool] = False
    """Whether the heads of `self_weights` are directions of reading."""

    @abstractmethod
    def forward(self, source: Any) -> Memory:
        """Return the memory of `source`."""

    def self_weights(self, source: Any) -> Tensor | None:
        """Return how much each position looks at each other, [B, L, heads, S, S]; None where no position does.

        A row holds the weights of the position that looks.
        """
        return None

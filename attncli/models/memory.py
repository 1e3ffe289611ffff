"""What an encoder hands to a decoder.

B sources, S positions, D memory width.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Memory:
    """One state a source position, and the whole source in one vector."""

    states: Tensor  # [B, S, D]
    mask: Tensor  # [B, S] bool, True where the position is real
    summary: Tensor  # [B, D], the fixed-size context vector of a decoder without attention
    grid: tuple[int, int] | None = None  # rows and columns of an image, whose regions are the positions row by row

    def mean(self) -> Tensor:
        """Return the mean of the real states [B, D]."""
        real = self.mask[:, :, None].to(self.states.dtype)
        return (self.states * real).sum(1) / real.sum(1)

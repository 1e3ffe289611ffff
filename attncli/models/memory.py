"""What an encoder gives to a decoder.

B sources, S positions, D memory width.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from attncli.data.tokens import Copies


@dataclass(frozen=True)
class Memory:
    """A state for each source position, and the whole source in one vector."""

    states: Tensor  # [B, S, D]
    mask: Tensor  # [B, S] bool, True where the position is real
    summary: Tensor  # [B, D], the fixed-size context vector of a decoder without attention
    grid: tuple[int, int] | None = None  # rows and columns of an image, whose regions are the positions row by row
    keys: Tensor | None = None  # [B] int64, fingerprints of the sources, for a decoder that draws by them
    copies: Copies | None = None  # the tokens of the sources, for a decoder that copies them

    def mean(self) -> Tensor:
        """Return the mean of the real states [B, D]."""
        return mean_of_real(self.states, self.mask)


def mean_of_real(states: Tensor, mask: Tensor) -> Tensor:
    """Return the mean [B, D] of `states` [B, S, D] where `mask` [B, S] is True."""
    real = mask[:, :, None].to(states.dtype)
    return (states * real).sum(1) / real.sum(1)

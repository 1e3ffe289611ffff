"""What an encoder gives to a decoder.

B sources, S positions, D memory width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from attncli.data.tokens import Copies

_AXES_OF_FILMS = 3


@dataclass(frozen=True)
class Part:
    """The positions of a memory that one encoder gave."""

    positions: int  # padding included
    # Rows and columns of an image, whose regions are the positions row by row; before them the frames of a film, of
    # which the last may be padding.
    grid: tuple[int, ...] | None = None
    name: str = ""  # of the encoder, where there are several

    def grid_of(self, length: int) -> tuple[int, ...] | None:
        """Return the grid of one source of the batch; `length` is the number of frames if it is a film."""
        if self.grid is None or len(self.grid) < _AXES_OF_FILMS:
            return self.grid
        return (length, *self.grid[1:])


@dataclass(frozen=True)
class Memory:
    """A state for each source position, and the whole source in one vector.

    Of several encoders the positions stand end to end, so padding may lie between real positions.
    """

    states: Tensor  # [B, S, D]
    mask: Tensor  # [B, S] bool, True where the position is real
    summary: Tensor  # [B, D], the fixed-size context vector of a decoder without attention
    parts: tuple[Part, ...]  # in the order of the positions
    keys: Tensor | None = None  # [B] int64, fingerprints of the sources, for a decoder that draws by them
    copies: Copies | None = None  # the tokens of the sources, for a decoder that copies them
    candidates: Tensor | None = None  # [B, V] bool, what may be written for each source; None for everything

    @classmethod
    def of(cls, states: Tensor, mask: Tensor, summary: Tensor, grid: tuple[int, ...] | None = None) -> Memory:
        """Return the memory of one encoder, whose positions are a sequence, or lie on `grid`, the last axis fastest."""
        return cls(states, mask, summary, (Part(mask.shape[1], grid),))

    def mean(self) -> Tensor:
        """Return the mean of the real states [B, D]."""
        return mean_of_real(self.states, self.mask)


def mean_of_real(states: Tensor, mask: Tensor) -> Tensor:
    """Return the mean [B, D] of `states` [B, S, D] where `mask` [B, S] is True."""
    real = mask[:, :, None].to(states.dtype)
    return (states * real).sum(1) / real.sum(1)

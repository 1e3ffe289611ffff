"""How tokens enter a network: scaled embeddings, and where each token stands.

T positions, H width of a state.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from attncli.errors import DataError
from attncli.models.dropout import Dropout


class Positions(nn.Module, ABC):
    """A vector for each position, which is added to the embedding of the token there."""

    @abstractmethod
    def forward(self, states: Tensor, *, first: int) -> Tensor:
        """Return the vectors [T, H] of the positions from `first` on (counted from 0) for `states` [N, T, H]."""


def sinusoids(at: Tensor, size: int) -> Tensor:
    """Return sines (even columns) and cosines [T, H] of the positions `at` [T], of wavelengths from 2π to 10000·2π.

    Vaswani et al. 2017, 3.5.
    """
    frequencies = torch.exp(torch.arange(0, size, 2, device=at.device) * (-math.log(10000.0) / size))
    angles = at[:, None] * frequencies  # [T, H / 2]
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[:, :size]


class SinusoidalPositions(Positions):
    """Sines and cosines of wavelengths from 2π to 10000·2π (Vaswani et al. 2017, 3.5)."""

    def forward(self, states: Tensor, *, first: int) -> Tensor:
        """Return the vectors [T, H]."""
        _, steps, size = states.shape
        at = torch.arange(first, first + steps, device=states.device, dtype=torch.float32)
        return sinusoids(at, size).to(states.dtype)


class LearnedPositions(Positions):
    """A learned vector for each position (Vaswani et al. 2017, table 3, row E).

    `key` is the configuration key that says how many there are; the error for a longer sentence names it.
    """

    def __init__(self, length: int, size: int, *, key: str):
        super().__init__()
        self.key = key
        self.vectors = nn.Parameter(torch.empty(length, size))

    def forward(self, states: Tensor, *, first: int) -> Tensor:
        """Return the vectors [T, H], or raise a DataError past the last one."""
        last = first + states.shape[1]
        if last > len(self.vectors):
            raise DataError(
                f"a sentence has at least {last} positions, counting the end symbol, but only {len(self.vectors)} are "
                f"learned ({self.key}); shorten it, or train with more or with positions: sinusoidal"
            )
        return self.vectors[first:last]


AXES = ("frames", "rows", "columns")
"""What the axes of a grid are called, the last ones where it has fewer: rows and columns for an image."""


class GridPositions(nn.Module, ABC):
    """A vector for each place of a grid of any `axes`, which is added to the state there; axes share the width.

    The axes are frames, rows and columns of a film, rows and columns of an image, or one alone.
    """

    def __init__(self, size: int, *, axes: int = 2):
        super().__init__()
        # The first axes get one column more where the width cannot be divided evenly.
        self.sizes = [size // axes + (axis < size % axes) for axis in range(axes)]

    def forward(self, states: Tensor, grid: tuple[int, ...]) -> Tensor:
        """Return the vectors [S, D] of the places of `grid`, the last axis fastest, for `states` [B, S, D]."""
        shares = []
        for axis, length in enumerate(grid):
            vectors = self.axis(axis, length, states)  # [length, share of D]
            along = [length if at == axis else 1 for at in range(len(grid))]
            shares.append(vectors.view(*along, -1).expand(*grid, -1))
        return torch.cat(shares, -1).flatten(0, -2)

    @abstractmethod
    def axis(self, axis: int, length: int, states: Tensor) -> Tensor:
        """Return the vectors [length, share of D] along an axis, the first of which is 0."""


class SinusoidalGridPositions(GridPositions):
    """Sines and cosines of the place on each axis (Vaswani et al. 2017, 3.5)."""

    def axis(self, axis: int, length: int, states: Tensor) -> Tensor:
        """Return the vectors [length, share of D]."""
        at = torch.arange(length, device=states.device, dtype=torch.float32)
        return sinusoids(at, self.sizes[axis]).to(states.dtype)


class LearnedGridPositions(GridPositions):
    """A learned vector for each row, each column and so on, concatenated (Carion et al. 2020, appendix).

    `noun` is what has a grid, for the error of one with more than `length` places along an axis.
    """

    def __init__(self, length: int, size: int, *, axes: int = 2, noun: str = "image"):
        super().__init__(size, axes=axes)
        self.noun, self.names = noun, AXES[-axes:]
        for name, share in zip(self.names, self.sizes, strict=True):
            self.register_parameter(name, nn.Parameter(torch.empty(length, share)))

    def axis(self, axis: int, length: int, states: Tensor) -> Tensor:
        """Return the vectors [length, share of D], or raise a DataError past the last one."""
        vectors = self.get_parameter(self.names[axis])
        if length > len(vectors):
            article = "an" if self.noun[0] in "aeiou" else "a"
            raise DataError(
                f"{article} {self.noun} has {length} {self.names[axis]} of regions, but model.encoder.maximum_length "
                f"is {len(vectors)}; raise it, or choose model.encoder.positions: sinusoidal"
            )
        return vectors[:length]


class Placing(nn.Module):
    """Turns embeddings into what the first layer reads: times a factor, plus positions, with dropout.

    Vaswani et al. 2017, 3.4, 3.5 and 5.4.
    """

    def __init__(self, *, factor: float, positions: Positions | None, dropout: float):
        super().__init__()
        self.factor, self.positions, self.dropout = factor, positions, Dropout(dropout)

    def forward(self, embedded: Tensor, *, first: int = 0) -> Tensor:
        """Return the input [..., T, E] for the `embedded` [..., T, E] tokens, the first of which is at `first`."""
        scaled = embedded if self.factor == 1.0 else embedded * self.factor
        if self.positions is not None:
            scaled = scaled + self.positions(scaled, first=first)
        return self.dropout(scaled)  # type: ignore[no-any-return]

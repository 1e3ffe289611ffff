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


class GridPositions(nn.Module, ABC):
    """A vector for each place of a grid, which is added to the region there; each axis gets a share of the width."""

    def __init__(self, size: int):
        super().__init__()
        self.sizes = (size - size // 2, size // 2)  # the shares of row and column

    def forward(self, states: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return the vectors [S, D] of the places of `grid`, row by row, for `states` [B, S, D]."""
        rows, columns = (self.axis(axis, length, states) for axis, length in enumerate(grid))
        joined = [rows[:, None].expand(-1, grid[1], -1), columns[None].expand(grid[0], -1, -1)]
        return torch.cat(joined, -1).flatten(0, 1)

    @abstractmethod
    def axis(self, axis: int, length: int, states: Tensor) -> Tensor:
        """Return the vectors [length, share of D] along an axis, 0 for rows and 1 for columns."""


class SinusoidalGridPositions(GridPositions):
    """Sines and cosines of row and column (Vaswani et al. 2017, 3.5, on each axis)."""

    def axis(self, axis: int, length: int, states: Tensor) -> Tensor:
        """Return the vectors [length, share of D]."""
        at = torch.arange(length, device=states.device, dtype=torch.float32)
        return sinusoids(at, self.sizes[axis]).to(states.dtype)


class LearnedGridPositions(GridPositions):
    """A learned vector for each row and each column, concatenated (Carion et al. 2020, appendix)."""

    def __init__(self, length: int, size: int):
        super().__init__(size)
        self.rows, self.columns = (nn.Parameter(torch.empty(length, share)) for share in self.sizes)

    def axis(self, axis: int, length: int, states: Tensor) -> Tensor:
        """Return the vectors [length, share of D], or raise a DataError past the last one."""
        vectors = (self.rows, self.columns)[axis]
        if length > len(vectors):
            raise DataError(
                f"an image has {length} {('rows', 'columns')[axis]} of regions, but model.encoder.maximum_length is "
                f"{len(vectors)}; raise it, or choose model.encoder.positions: sinusoidal"
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

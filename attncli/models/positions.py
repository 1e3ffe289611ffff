"""How tokens enter a network: their embeddings scaled, and told where they stand.

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
    """A vector of each position, which is added to the token's embedding."""

    @abstractmethod
    def forward(self, states: Tensor, *, first: int) -> Tensor:
        """Return the vectors [T, H] of the positions from `first` (0 is the first of all) for `states` [N, T, H]."""


def sinusoids(at: Tensor, size: int) -> Tensor:
    """Return sines and cosines [T, H] of the places `at` [T]: wavelengths from 2π to 10000·2π, sines in even columns.

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
    """A learned vector of each position (Vaswani et al. 2017, table 3, row E).

    `key` is the configuration's, which says how many there are, and is named where they do not suffice.
    """

    def __init__(self, length: int, size: int, *, key: str):
        super().__init__()
        self.key = key
        self.vectors = nn.Parameter(torch.empty(length, size))

    def forward(self, states: Tensor, *, first: int) -> Tensor:
        """Return the vectors [T, H], or raise a DataError if there are not so many."""
        last = first + states.shape[1]
        if last > len(self.vectors):
            raise DataError(
                f"a sentence has {last} positions or more, the end symbol counted, but {self.key} is "
                f"{len(self.vectors)}: there are no more learned positions; shorten the sentence, or train with more "
                "of them or with positions: sinusoidal"
            )
        return self.vectors[first:last]


class GridPositions(nn.Module, ABC):
    """A vector of each place of a grid, which is added to the region there; each axis has its share of the width."""

    def __init__(self, size: int):
        super().__init__()
        self.sizes = (size - size // 2, size // 2)  # of what tells the row, and the column

    def forward(self, states: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return the vectors [S, D] of the places of a `grid`, row by row, for `states` [B, S, D]."""
        rows, columns = (self.axis(axis, length, states) for axis, length in enumerate(grid))
        joined = [rows[:, None].expand(-1, grid[1], -1), columns[None].expand(grid[0], -1, -1)]
        return torch.cat(joined, -1).flatten(0, 1)

    @abstractmethod
    def axis(self, axis: int, length: int, states: Tensor) -> Tensor:
        """Return what tells each of `length` places on an axis, 0 for rows and 1 for columns, [length, share of D]."""


class SinusoidalGridPositions(GridPositions):
    """Sines and cosines of the row and of the column (Vaswani et al. 2017, 3.5, for each axis)."""

    def axis(self, axis: int, length: int, states: Tensor) -> Tensor:
        """Return the vectors [length, share of D]."""
        at = torch.arange(length, device=states.device, dtype=torch.float32)
        return sinusoids(at, self.sizes[axis]).to(states.dtype)


class LearnedGridPositions(GridPositions):
    """A learned vector of each row and of each column, joined (Carion et al. 2020, appendix)."""

    def __init__(self, length: int, size: int):
        super().__init__(size)
        self.rows, self.columns = (nn.Parameter(torch.empty(length, share)) for share in self.sizes)

    def axis(self, axis: int, length: int, states: Tensor) -> Tensor:
        """Return the vectors [length, share of D], or raise a DataError if there are not so many."""
        vectors = (self.rows, self.columns)[axis]
        if length > len(vectors):
            raise DataError(
                f"an image has {length} {('rows', 'columns')[axis]} of regions, but model.encoder.maximum_length is "
                f"{len(vectors)}; raise it, or choose model.encoder.positions: sinusoidal"
            )
        return vectors[:length]


class Placing(nn.Module):
    """From embeddings to what the first layer reads: times a factor, plus positions, with dropout.

    Vaswani et al. 2017, 3.4, 3.5 and 5.4.
    """

    def __init__(self, *, factor: float, positions: Positions | None, dropout: float):
        super().__init__()
        self.factor, self.positions, self.dropout = factor, positions, Dropout(dropout)

    def forward(self, embedded: Tensor, *, first: int = 0) -> Tensor:
        """Return what is read [..., T, E] for the `embedded` [..., T, E] tokens, of which the first is at `first`."""
        scaled = embedded if self.factor == 1.0 else embedded * self.factor
        if self.positions is not None:
            scaled = scaled + self.positions(scaled, first=first)
        return self.dropout(scaled)  # type: ignore[no-any-return]

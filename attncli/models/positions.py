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


class SinusoidalPositions(Positions):
    """Sines and cosines of wavelengths from 2π to 10000·2π (Vaswani et al. 2017, 3.5)."""

    def forward(self, states: Tensor, *, first: int) -> Tensor:
        """Return the vectors [T, H]: sines in even columns, cosines in odd ones."""
        _, steps, size = states.shape
        at = torch.arange(first, first + steps, device=states.device, dtype=torch.float32)
        frequencies = torch.exp(torch.arange(0, size, 2, device=states.device) * (-math.log(10000.0) / size))
        angles = at[:, None] * frequencies  # [T, H / 2]
        return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[:, :size].to(states.dtype)


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

"""Windows, which limit where a query looks: everywhere, around the number of the step, or around a predicted place.

B sources, T queries of each, S positions, Q query width, X axes: 1 for words, 2 for the grid of an image, 3 for
that of a film.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from attncli.config.attention import HALF_WIDTH
from attncli.config.attention import Attention as AttentionConfig
from attncli.models.memory import Memory


@dataclass(frozen=True)
class Focus:
    """The part of a memory that a window leaves to each query."""

    inside: Tensor  # [B, T or 1, S] bool: the softmax is over these, and none of them is padding
    factor: Tensor | None = None  # [B, T, S], multiplies the weights after the softmax; None for 1
    centres: Tensor | None = None  # [B, T, X], the middle of each window in positions from 0, or in rows and columns
    half_width: int | None = None  # how far from it the window goes


@dataclass(frozen=True)
class Places:
    """Where the positions of a memory are, with a row per source."""

    mask: Tensor  # [B, S] bool
    at: tuple[Tensor, ...]  # X tensors [B, S]: the place of every position on each axis, counted from 0
    sizes: Tensor  # [B, X]: real positions on each axis

    @classmethod
    def of(cls, memory: Memory) -> Places:
        """Return the places of a sequence, or of a grid whose positions are numbered row by row."""
        assert len(memory.parts) == 1, "a window is for one memory"
        grid = memory.parts[0].grid
        numbers = torch.arange(memory.mask.shape[1], device=memory.mask.device).expand_as(memory.mask)
        if grid is None:
            return cls(memory.mask, (numbers.float(),), memory.mask.sum(1, keepdim=True).float())
        assert math.prod(grid) == memory.mask.shape[1], "a grid has a region a position"
        at = [
            torch.div(numbers, math.prod(grid[axis + 1 :]), rounding_mode="floor") % length
            for axis, length in enumerate(grid)
        ]
        # The first axis of a film is time, of which padding is a part; the others are the same for all sources.
        first = memory.mask.sum(1, keepdim=True) // math.prod(grid[1:])
        # Without non_blocking the copy would wait for all that a device has still to do.
        others = torch.tensor(grid[1:]).to(memory.mask.device, non_blocking=True).expand(len(memory.mask), -1)
        return cls(memory.mask, tuple(each.float() for each in at), torch.cat([first, others], 1).float())

    def distances(self, centres: Tensor) -> list[Tensor]:
        """Return how far every position is from `centres` [B, T, X], on each axis [B, T, S]."""
        return [at[:, None] - centre[:, :, None] for at, centre in zip(self.at, centres.unbind(-1), strict=True)]

    def within(self, half_width: int, distances: list[Tensor]) -> Tensor:
        """Return which real positions [B, T, S] are at most `half_width` away on every axis."""
        inside = self.mask[:, None]
        for distance in distances:
            inside = inside & (distance.abs() <= half_width)
        return inside


class Window(nn.Module, ABC):
    """A window is in two parts, so that what does not depend on the query is computed once per source."""

    counts_steps = False  # whether `forward` needs the numbers of the steps

    @abstractmethod
    def prepare(self, memory: Memory) -> Any:
        """Return what the window needs of `memory`: a value whose tensors have a row per source."""

    @abstractmethod
    def forward(self, query: Tensor, steps: Tensor | None, prepared: Any) -> Focus:
        """Return the focus of `query` [B, T, Q]; `steps` [B, T] are target positions from 0, None if not counted."""


class GlobalWindow(Window):
    """All real positions (Luong, Pham and Manning 2015, section 3.1)."""

    def prepare(self, memory: Memory) -> Tensor:
        """Return the mask [B, S]."""
        return memory.mask

    def forward(self, query: Tensor, steps: Tensor | None, prepared: Tensor) -> Focus:
        """Return a focus on everything real."""
        return Focus(prepared[:, None])


class MonotonicWindow(Window):
    """Positions at most D from the step's number: |s - t| ≤ D (Luong, Pham and Manning 2015, section 3.2, `local-m`).

    Past the end of the source the window stays around the last real position, so that it is never empty.
    """

    counts_steps = True

    def __init__(self, half_width: int):
        super().__init__()
        self.half_width = half_width

    def prepare(self, memory: Memory) -> Places:
        """Return where the positions are."""
        places = Places.of(memory)
        assert len(places.at) == 1, "a grid has no order to follow"
        return places

    def forward(self, query: Tensor, steps: Tensor | None, prepared: Places) -> Focus:
        """Return the focus around `steps` [B, T]."""
        assert steps is not None, "the decoder counts steps for a window that asks for it"
        centres = torch.minimum(steps[:, :, None].float(), prepared.sizes[:, None] - 1)  # [B, T, 1]
        inside = prepared.within(self.half_width, prepared.distances(centres))
        return Focus(inside, centres=centres, half_width=self.half_width)


class PredictiveWindow(Window):
    """Positions at most D from a predicted place p, weighted by a Gaussian around it, through which p learns.

    Luong, Pham and Manning 2015, equations 9 and 10 (`local-p`): p = S sigmoid(v · tanh(W q)) for a source of S real
    positions, and after the softmax inside the window the weights are multiplied by exp(-(s - p)² / 2σ²), σ = D / 2,
    and not brought back to a sum of 1. On a grid p is a row and a column, the window a square, and the Gaussian the
    product over both axes. p reaches S, one past the last position, and is not clipped, since a clipped place gets no
    gradient. With D ≥ 1 the last position is always within reach, so a window is never empty.

    `place` holds v times the root of its width. Adam moves every weight by about the learning rate; with v itself as
    the weight, a few updates drove the sigmoid to 0 or 1, where it no longer learns, and places stuck to the ends.
    """

    def __init__(self, query_size: int, half_width: int, *, axes: int):
        super().__init__()
        self.half_width = half_width
        self.scale = query_size**-0.5
        self.hidden = nn.Linear(query_size, query_size, bias=False)
        self.place = nn.Linear(query_size, axes, bias=False)

    def prepare(self, memory: Memory) -> Places:
        """Return where the positions are."""
        return Places.of(memory)

    def forward(self, query: Tensor, steps: Tensor | None, prepared: Places) -> Focus:
        """Return the focus around the places that `query` [B, T, Q] predicts."""
        sizes = prepared.sizes[:, None]  # [B, 1, X]
        shares = torch.sigmoid(self.place(torch.tanh(self.hidden(query))).float() * self.scale)
        centres = sizes * shares  # [B, T, X]
        distances = prepared.distances(centres)
        squares = sum((distance.square() for distance in distances[1:]), start=distances[0].square())
        # 1 / 2σ² with σ = D / 2.
        factor = torch.exp(squares * (-2 / self.half_width**2))
        return Focus(prepared.within(self.half_width, distances), factor, centres, self.half_width)


def _monotonic(config: AttentionConfig, _query_size: int, axes: int) -> Window:
    assert axes == 1, "the config refuses local_m for a grid"
    return MonotonicWindow(config.half_width or HALF_WIDTH)


WINDOWS: dict[str, Callable[[AttentionConfig, int, int], Window]] = {
    "global": lambda config, query, axes: GlobalWindow(),
    "local_m": _monotonic,
    "local_p": lambda config, query, axes: PredictiveWindow(query, config.half_width or HALF_WIDTH, axes=axes),
}


def build_window(config: AttentionConfig, *, query_size: int, axes: int) -> Window:
    """Return the window that `config` names, for queries of this width over memories with this number of axes."""
    return WINDOWS[config.window](config, query_size, axes)

"""Panels: the weights of single output tokens over a source, to be drawn beside those over other sources."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from attncli.decoding.written import Written

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEIGHT = 0.4  # inches, of a strip


@dataclass(frozen=True)
class Panel(ABC):
    """A part of a figure of this size, in inches."""

    width: float
    height: float

    @abstractmethod
    def draw(self, axes: Axes, token: int, *, colormap: str, largest: float | None) -> None:
        """Draw the weights of `token` into `axes`, which has the size of the panel.

        The strongest shade stands for `largest`, by default for the largest of these. `colormap` is for images.
        """


@dataclass(frozen=True)
class Strip(Panel):
    """Positions of any kind from left to right, darker for larger weights."""

    weights: NDArray[np.floating[Any]]  # [tokens, positions]

    @classmethod
    def of(cls, found: Written, *, width: float) -> Strip:
        """Return the strip of the best hypothesis of `found`."""
        weights = found.best.weights
        assert weights is not None, "drawers get hypotheses with weights"
        return cls(width, _HEIGHT, weights.reshape(len(weights), -1))

    def draw(self, axes: Axes, token: int, *, colormap: str, largest: float | None) -> None:
        """Draw the weights of `token`."""
        row = self.weights[token]
        axes.imshow(row[None], aspect="auto", cmap="Blues", vmin=0, vmax=max(largest or float(row.max()), 1e-9))
        axes.set_xticks([])
        axes.set_yticks([])

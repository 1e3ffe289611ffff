"""The weights over a source of any kind: a strip with a cell for each of its positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from attncli.decoding.written import Written
from attncli.sources.source import Look, Panel

_HEIGHT = 0.4  # inches


@dataclass(frozen=True)
class Strip(Panel):
    """Positions from left to right, darker for larger weights."""

    weights: NDArray[np.floating[Any]]  # [tokens, positions]

    @classmethod
    def of(cls, found: Written, *, width: float) -> Strip:
        """Return the strip of the best hypothesis of `found`."""
        weights = found.best.weights
        assert weights is not None, "drawers get hypotheses with weights"
        return cls(width, _HEIGHT, weights.reshape(len(weights), -1))

    def draw(self, axes: Axes, token: int, *, look: Look, largest: float | None) -> None:
        """Draw the weights of `token`."""
        row = self.weights[token]
        axes.imshow(row[None], aspect="auto", cmap="Blues", vmin=0, vmax=max(largest or float(row.max()), 1e-9))
        axes.set_xticks([])
        axes.set_yticks([])

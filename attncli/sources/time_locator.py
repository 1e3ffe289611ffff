"""Finds intervals of time among the positions of recordings and films.

P places, S positions, T moments, of which each has S / T positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from attncli.data.columns import Array
from attncli.data.gold_places import GoldPlace
from attncli.decoding.written import Written
from attncli.sources.source import Locator


@dataclass(frozen=True)
class TimeLocator(Locator):
    """Finds intervals; the positions of a moment, such as the regions of a frame, last as long as it does."""

    kinds = ("seconds",)

    def shares(self, found: Written, places: Sequence[GoldPlace]) -> Array:
        """Return the share [P, S] of each position's time that lies in each interval."""
        weights, length = found.best.weights, found.places.seconds
        assert weights is not None, "the run attends"
        assert length is not None, "positions of what has a duration last some time"
        moments, positions = weights.shape[1], weights[0].size
        starts = np.arange(moments) * length
        rows = [_overlap(starts, length, *place.seconds) for place in places if place.seconds is not None]
        return np.repeat(np.array(rows), positions // moments, axis=1)


def _overlap(starts: Array, length: float, first: float, last: float) -> Array:
    """Return the share [T] of each stretch of `length` from `starts` [T] that lies between `first` and `last`."""
    inside = np.minimum(starts + length, last) - np.maximum(starts, first)
    shares: Array = np.clip(inside, 0, None) / length
    return shares

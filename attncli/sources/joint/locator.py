"""Finds gold places in one of several sources.

P places, S positions of all sources.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from attncli.data.columns import Array
from attncli.data.gold_places import GoldPlace
from attncli.decoding.written import Written
from attncli.sources.source import Locator


@dataclass(frozen=True)
class JointLocator(Locator):
    """Finds each place in the first source of which such places are known."""

    locators: Mapping[str, Locator]  # by the names of their sources

    @property
    def kinds(self) -> tuple[str, ...]:  # type: ignore[override]
        """The kinds of places that any of them finds."""
        return tuple(dict.fromkeys(kind for each in self.locators.values() for kind in each.kinds))

    def shares(self, found: Written, places: Sequence[GoldPlace]) -> Array:
        """Return the share [P, S] of each position in each of `places`, NaN in the other sources."""
        return np.array([self._of_place(found, place) for place in places])

    def _of_place(self, found: Written, place: GoldPlace) -> Array:
        of = next(name for name, each in self.locators.items() if place.kind in each.kinds)
        return np.concatenate(
            [
                self.locators[of].shares(part, [place])[0] if name == of else np.full(_positions(part), np.nan)
                for name, part in found.parts.items()
                if part.best.weights is not None
            ]
        )


def _positions(part: Written) -> int:
    assert part.best.weights is not None, "the run attends"
    return int(part.best.weights[0].size)

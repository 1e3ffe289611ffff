"""Finds words of a sentence among the tokens that attention weighs.

P places, S tokens, the end symbol among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from attncli.data.columns import Array
from attncli.data.gold_places import GoldPlace
from attncli.decoding.written import Written
from attncli.errors import DataError, counted
from attncli.sources.source import Locator
from attncli.text.words import MARK, SPACE


@dataclass(frozen=True)
class TextLocator(Locator):
    """Finds words, separated by white space; a token is the part of the text whose characters it has."""

    kinds = ("source_words",)

    def shares(self, found: Written, places: Sequence[GoldPlace]) -> Array:
        """Return the share [P, S] of each token's characters in the words of each place."""
        tokens, words = _spans([*map(_characters, found.places.labels)]), _spans(found.cell.split())
        for place in places:
            if place.source_words and (last := max(place.source_words)) >= len(words):
                raise DataError(
                    f"gold places: source word {last}, counted from 0, but the source {found.cell!r} has "
                    f"{counted(len(words), 'word')}"
                )
        return np.array([sum(_share(tokens, words[word]) for word in place.source_words or ()) for place in places])


def _characters(token: str) -> str:
    """Return the characters of `token` that are in the text, without white space."""
    return "".join(token.replace(SPACE, "").replace(MARK, "").split())


def _spans(parts: Sequence[str]) -> Array:
    """Return where each of the `parts` of a text begins and ends, in characters, [parts, 2]."""
    bounds = np.cumsum([0, *map(len, parts)])
    return np.stack([bounds[:-1], bounds[1:]], 1)


def _share(tokens: Array, word: Array) -> Array:
    """Return the share [S] of each of `tokens` [S, 2] that lies in `word` [2]; one without characters is a point."""
    starts, ends = tokens.T
    inside = np.minimum(ends, word[1]) - np.maximum(starts, word[0])
    is_point_inside = (starts == ends) & (word[0] <= starts) & (starts < word[1])
    return np.where(is_point_inside, 1.0, np.clip(inside, 0, None) / np.maximum(ends - starts, 1))

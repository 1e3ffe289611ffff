"""When each word was said, as far as attention tells.

T tokens, S positions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attncli.decoding.written import Written
from attncli.text.tokenizer import SPECIAL, UNK, UNKNOWN_TEXT
from attncli.text.words import MARK, SPACE

_HEARD = 0.8  # of the weight
Weights = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class SpokenWord:
    """A word, and when it is heard, in seconds."""

    text: str
    start: float
    end: float

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"word": self.text, "start": round(self.start, 3), "end": round(self.end, 3)}


def spoken_words(found: Written, hypothesis: int = 0) -> tuple[SpokenWord, ...]:
    """Return the words of a hypothesis of `found`, which must have weights, with their times.

    The weight of a word is the mean of that of its tokens; a word is heard in the shortest stretch of time that holds
    eight tenths of it. A position's weight is spread evenly over its time.
    """
    best, seconds = found.hypotheses[hypothesis], found.places.seconds
    weights = best.token_weights
    assert weights is not None, "times come from weights"
    assert seconds is not None, "positions lie in time"
    over_time = weights.reshape(*weights.shape[:2], -1).sum(-1)  # over the regions of a frame
    return tuple(
        SpokenWord(word, *heard(over_time[rows].mean(0), seconds)) for word, rows in _words(best.text, best.tokens)
    )


def heard(weights: Weights, seconds: float) -> tuple[float, float]:
    """Return the shortest stretch of time that holds eight tenths of `weights` [S], over positions of `seconds` each.

    Of several that are as short it is the one in the middle.
    """
    sums = np.concatenate([[0.0], np.cumsum(weights, dtype=np.float64)])
    total = sums[-1]
    if not total:
        return 0.0, len(weights) * seconds
    places = np.arange(len(sums))
    # Where no weight lies the sum stands still, and np.interp would take any place; a slope makes it rise everywhere.
    before = sums + total * 1e-9 * places
    before /= before[-1]
    # The weight is even within a position, so one of the shortest stretches begins or ends where a position does.
    starts = np.concatenate([places, np.interp(before[before >= _HEARD] - _HEARD, before, places)])
    left_out = np.interp(starts, places, before)
    possible = left_out <= 1 - _HEARD + 1e-6
    starts, left_out = starts[possible], left_out[possible]
    lengths = np.interp(left_out + _HEARD, before, places) - starts
    shortest = starts[lengths <= lengths.min() + 1e-6]
    start = (shortest.min() + shortest.max()) / 2
    end = np.interp(np.interp(start, places, before) + _HEARD, before, places)
    return float(start * seconds), float(end * seconds)


def _words(text: str, tokens: Sequence[str]) -> Iterator[tuple[str, list[int]]]:
    """Yield each word of `text` with those of its `tokens` that write it."""
    words = text.split()
    rows: list[list[int]] = [[] for _ in words]
    lasts = np.cumsum([len(word) for word in words])
    written = 0
    for row, token in enumerate(tokens):
        size = len(_characters(token))
        # A token of a space alone belongs to no word.
        if size and written < lasts[-1]:
            rows[int(np.searchsorted(lasts, written, side="right"))].append(row)
        written += size
    yield from ((word, found) for word, found in zip(words, rows, strict=True) if found)


def _characters(token: str) -> str:
    """Return what is left of `token` in the words of a text."""
    if token == SPECIAL[UNK]:
        return UNKNOWN_TEXT.strip()
    return "" if token in SPECIAL else "".join(token.replace(MARK, "").replace(SPACE, " ").split())

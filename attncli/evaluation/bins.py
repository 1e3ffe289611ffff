"""Sources sorted by length, in white-space words or in seconds, or by a group that each belongs to.

N sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attncli.metrics.metric import References

_DECIMALS = 6  # of seconds


@dataclass(frozen=True)
class LengthBin:
    """The sources of `first` to `last` words, both included, or of more than `first` and at most `last` seconds."""

    first: float
    last: float | None  # None: no upper end
    indices: NDArray[np.intp]

    @property
    def label(self) -> str:
        """The range, as text."""
        if self.last is None:
            return f"{self.first:g}+"
        return f"{self.first:g}" if self.first == self.last else f"{self.first:g}–{self.last:g}"


@dataclass(frozen=True)
class Group:
    """The sentences that belong together by name."""

    name: str
    indices: NDArray[np.intp]


def groups(names: Sequence[str]) -> tuple[Group, ...]:
    """Return a group for each of the different `names` of sentences, in their order as text."""
    each = np.array(names)
    return tuple(Group(name, np.flatnonzero(each == name)) for name in sorted(set(names)))


def word_counts(sentences: Sequence[str]) -> NDArray[np.intp]:
    """Return the white-space words [N] of each sentence."""
    return np.array([len(sentence.split()) for sentence in sentences], dtype=np.intp)


def shortest_word_counts(references: References) -> NDArray[np.intp]:
    """Return the white-space words [N] of the shortest of each sentence's references."""
    sentences = zip(*references, strict=True)
    return np.array([min(len(text.split()) for text in texts if text is not None) for texts in sentences], np.intp)


def length_bins(lengths: NDArray[np.intp], upper_ends: Sequence[int]) -> tuple[LengthBin, ...]:
    """Return the bins that hold sentences: up to each of `upper_ends`, and a last one for all that are longer.

    A sentence of no words belongs to the first bin.
    """
    return _bins(lengths, [int(min(1, lengths.min())), *(end + 1 for end in upper_ends)], upper_ends)


def duration_bins(seconds: NDArray[np.floating[Any]], upper_ends: Sequence[float]) -> tuple[LengthBin, ...]:
    """Return the bins that hold sources of `seconds` [N], as `length_bins` does; the first begins at 0."""
    # Sums of steps in time miss what they should be by a rounding error.
    return _bins(seconds.round(_DECIMALS), [0, *upper_ends], upper_ends)


def _bins(lengths: NDArray[Any], firsts: Sequence[float], upper_ends: Sequence[float]) -> tuple[LengthBin, ...]:
    lasts: list[float | None] = [*upper_ends, None]
    numbers = np.searchsorted(np.asarray(upper_ends), lengths, side="left")  # [N], the bin of each source
    bins = (
        LengthBin(first, last, np.flatnonzero(numbers == number))
        for number, (first, last) in enumerate(zip(firsts, lasts, strict=True))
    )
    return tuple(found for found in bins if len(found.indices))

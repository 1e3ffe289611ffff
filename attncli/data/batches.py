"""Which sentence pairs form a batch: like lengths together, as many as a budget of tokens allows.

N pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Lengths(Protocol):
    """What batching needs to know of a corpus."""

    @property
    def source_lengths(self) -> Array:
        """[N]."""

    @property
    def target_lengths(self) -> Array:
        """[N]."""


def epoch_batches(
    corpus: Lengths,
    *,
    batch_tokens: int,
    batch_sentences: int | None,
    seed: int,
    epoch: int,
    groups: Array | None = None,
) -> list[Array]:
    """Return the batches of one epoch, each the indices [B] of its pairs, in the order they are trained on.

    Every pair is in exactly one batch. B times its longest sentence (source or target, end symbol included) is at most
    `batch_tokens`, unless a single pair is longer. Pairs of one of the `groups` [N] are neighbours, those of like
    lengths where no groups are given. The result depends only on lengths, groups, `seed` and `epoch`.
    """
    generator = np.random.default_rng([seed, epoch])
    if groups is None:
        order = _by_length(corpus.source_lengths, corpus.target_lengths, generator)
    else:
        order = _by_group(groups, generator)
    longest = np.maximum(corpus.source_lengths, corpus.target_lengths)[order]
    most = batch_sentences if batch_sentences is not None else len(order)
    batches = [order[start:end] for start, end in _cuts(longest, batch_tokens, most)]
    return [batches[i] for i in generator.permutation(len(batches))]


def _by_length(source: Array, target: Array, generator: np.random.Generator) -> Array:
    """Return the indices of all pairs [N], sorted by source and then target length, ties in random order."""
    shuffled = generator.permutation(np.arange(len(source), dtype=np.int32))
    # Targets get longer within one source length and shorter within the next. If they rose within each, a batch at the
    # border would hold the longest targets of one beside the shortest of the other, and be half padding.
    width = int(target.max(initial=0)) + 1
    key = source[shuffled].astype(np.int64) * width
    key += np.where(source[shuffled] % 2 == 0, target[shuffled], width - 1 - target[shuffled])
    order: Array = shuffled[np.argsort(key, kind="stable")]
    return order


def _by_group(groups: Array, generator: np.random.Generator) -> Array:
    """Return the indices of all pairs [N], group by group, both groups and pairs of a group in random order."""
    shuffled = generator.permutation(np.arange(len(groups), dtype=np.int32))
    places = generator.permutation(int(groups.max(initial=-1)) + 1)
    order: Array = shuffled[np.argsort(places[groups[shuffled]], kind="stable")]
    return order


def _cuts(longest: Array, batch_tokens: int, most: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of each batch over rows whose longer sides are `longest` [N]."""
    start = 0
    while start < len(longest):
        rows = int(min(most, max(1, batch_tokens // longest[start])))
        # `rows` fit if none is longer than the first, so they are an upper bound that keeps this slice short.
        widths = np.maximum.accumulate(longest[start : start + rows])
        fitting = int(np.count_nonzero(widths * np.arange(1, len(widths) + 1) <= batch_tokens))
        end = start + max(1, fitting)
        yield start, end
        start = end

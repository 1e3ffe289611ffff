"""Bootstrap resampling of a test set: bounds of a score, and the paired test between two systems (Koehn 2004).

N sentences, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from attncli.metrics.metric import Array, SentenceStatistics


@dataclass(frozen=True)
class Bounds:
    """The 2.5 and 97.5 percentiles of a resampled number."""

    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """How far the score of one system is above that of another on the same sentences."""

    value: float
    bounds: Bounds
    p_value: float


def resampled_scores(measured: Sequence[SentenceStatistics], *, samples: int, seed: int) -> Array:
    """Return scores [len(measured), samples] of resampled test sets, each of N sentences drawn with replacement.

    Every entry of `measured` is scored on the same draws, so that columns are paired. The draws are those of
    sacreBLEU's paired bootstrap with the same seed.
    """
    sentences = len(measured[0])
    joined = np.concatenate([statistics.values for statistics in measured], axis=1)
    generator = np.random.default_rng(seed)
    totals = np.empty((samples, joined.shape[1]))
    # One product for all systems; a row at a time, since the counts of all resamples would be an R by N matrix.
    for row in totals:
        drawn = generator.integers(sentences, size=sentences)
        row[:] = np.bincount(drawn, minlength=sentences).astype(np.float64) @ joined
    ends = np.cumsum([statistics.values.shape[1] for statistics in measured])
    parts = np.split(totals, ends[:-1], axis=1)
    return np.array(
        [[statistics.score_of(row) for row in part] for statistics, part in zip(measured, parts, strict=True)]
    )


def bounds(values: Array) -> Bounds:
    """Return the 95 % bounds of resampled `values` [R]."""
    low, high = np.percentile(values, [2.5, 97.5])
    return Bounds(float(low), float(high))


def paired_difference(difference: float, scores: Array, others: Array) -> Difference:
    """Return `difference` of two systems with its bounds and p-value, from their paired resampled scores [R].

    The p-value is that of sacreBLEU's paired bootstrap, with one departure: it is 1 for two systems that score the same
    in every resample, where sacreBLEU's strict inequality gives its smallest value.
    """
    differences = scores - others
    sizes = np.abs(differences)
    if not sizes.any():
        return Difference(difference, Bounds(0.0, 0.0), 1.0)
    exceeding = int(np.sum(sizes - sizes.mean() > abs(difference)))
    return Difference(difference, bounds(differences), (exceeding + 1) / (len(sizes) + 1))

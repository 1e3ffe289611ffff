"""Scores hypotheses: whole, by length, and against each other.

N sources, R resamples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import fmean
from typing import Any, Literal

import numpy as np

from attncli.config.evaluation import Evaluation
from attncli.evaluation.bins import LengthBin, length_bins, shortest_word_counts, word_counts
from attncli.evaluation.report import (
    BinScore,
    BoundedScore,
    Comparison,
    Report,
    Speed,
    SystemReport,
    TrainingCost,
    VariantReport,
)
from attncli.evaluation.test_set import EvaluationSet
from attncli.metrics.bleu import length_ratio
from attncli.metrics.bootstrap import Difference, bounds, paired_difference, resampled_scores
from attncli.metrics.metric import Array, SentenceStatistics
from attncli.metrics.registry import ALL_METRICS, METRICS
from attncli.metrics.tokenised import tokenised_note

LengthOf = Literal["source", "reference"]

MOST_FOR_EVERY_PAIR = 4
"""Of more variants, each is compared with the first alone."""


@dataclass(frozen=True)
class System:
    """What is scored: one hypothesis for each source of a test set, and where they come from."""

    name: str
    hypotheses: tuple[str, ...]
    speed: Speed | None = None  # None: nothing was decoded
    details: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    training: TrainingCost | None = None  # None: not known
    variant: str | None = None  # the name for it and those that differ in their seeds alone; None: there are none


@dataclass(frozen=True)
class _Resampled:
    """A number for each system with its resampled values; the columns of the systems are paired."""

    scores: list[float]
    resamples: Array  # [systems, R]

    def bounded(self, system: int) -> BoundedScore:
        limits = bounds(self.resamples[system])
        return BoundedScore(self.scores[system], limits.low, limits.high)

    def means(self, groups: Sequence[Sequence[int]]) -> _Resampled:
        """Return for each of `groups` the mean of its systems, also in every resample."""
        rows = [self.resamples[list(group)].mean(0) for group in groups]
        return _Resampled([fmean(self.scores[at] for at in group) for group in groups], np.array(rows))


def evaluate(
    test: EvaluationSet,
    systems: Sequence[System],
    settings: Evaluation,
    *,
    metrics: Sequence[str] = tuple(METRICS),
    length_of: LengthOf = "source",
) -> Report:
    """Return the scores of `systems` on `test`; BLEU is always among them. The same input gives the same numbers."""
    keys = [key for key in ALL_METRICS if key == "bleu" or key in metrics]
    measured = {key: [_measure(key, test, system) for system in systems] for key in keys}
    whole = {key: _resample(statistics, settings) for key, statistics in measured.items()}
    bins = length_bins(_lengths(test, length_of), settings.length_bins)
    binned = [_resample([found.part(bin_.indices) for found in measured["bleu"]], settings) for bin_ in bins]
    groups = _grouped(systems)
    # Runs of one variant have nothing else to be compared with than each other.
    compared = groups if len(groups) > 1 else {system.name: [at] for at, system in enumerate(systems)}
    test_notes = _test_notes(test)
    reports = [
        SystemReport(
            name=system.name,
            scores={key: whole[key].bounded(number) for key in keys},
            signatures={key: measured[key][number].signature for key in keys},
            by_length=tuple(_bin_score(bin_, scores, number) for bin_, scores in zip(bins, binned, strict=True)),
            length_ratio=length_ratio(measured["bleu"][number]),
            speed=system.speed,
            training=system.training,
            details=system.details,
            notes=system.notes if test_notes else (*_system_notes(system), *system.notes),
        )
        for number, system in enumerate(systems)
    ]
    return Report(
        test=test.name,
        sources=len(test),
        noun=test.noun,
        references=len(test.references),
        length_of=length_of,
        samples=settings.bootstrap_samples,
        seed=settings.seed,
        systems=tuple(reports),
        variants=tuple(_variants(groups, reports, whole, binned, bins)),
        comparisons=tuple(_compare(compared, whole, binned)),
        notes=test_notes,
    )


def _measure(key: str, test: EvaluationSet, system: System) -> SentenceStatistics:
    return ALL_METRICS[key].measure(system.hypotheses, test.references)


def _resample(measured: Sequence[SentenceStatistics], settings: Evaluation) -> _Resampled:
    resamples = resampled_scores(measured, samples=settings.bootstrap_samples, seed=settings.seed)
    return _Resampled([statistics.score() for statistics in measured], resamples)


def _lengths(test: EvaluationSet, length_of: LengthOf) -> Any:
    return word_counts(test.sources) if length_of == "source" else shortest_word_counts(test.references)


def _bin_score(bin_: LengthBin, scores: _Resampled, number: int) -> BinScore:
    return BinScore(bin_.first, bin_.last, bin_.label, len(bin_.indices), scores.bounded(number))


def _grouped(systems: Sequence[System]) -> dict[str, list[int]]:
    """Return the systems of each variant, by their places."""
    groups: dict[str, list[int]] = {}
    for at, system in enumerate(systems):
        groups.setdefault(system.variant or system.name, []).append(at)
    return groups


def _variants(
    groups: Mapping[str, Sequence[int]],
    reports: Sequence[SystemReport],
    whole: Mapping[str, _Resampled],
    binned: Sequence[_Resampled],
    bins: Sequence[LengthBin],
) -> Iterator[VariantReport]:
    means, binned_means = _means(list(groups.values()), whole, binned)
    for number, (name, group) in enumerate(groups.items()):
        yield VariantReport(
            name,
            tuple(reports[at] for at in group),
            {key: scores.bounded(number) for key, scores in means.items()},
            tuple(_bin_score(bin_, scores, number) for bin_, scores in zip(bins, binned_means, strict=True)),
        )


def _compare(
    groups: Mapping[str, Sequence[int]], whole: Mapping[str, _Resampled], binned: Sequence[_Resampled]
) -> Iterator[Comparison]:
    """Yield the comparisons of the systems in `groups`, taken together: every pair, or of many each with the first."""
    names = list(groups)
    means, binned_means = _means(list(groups.values()), whole, binned)

    def difference(of: _Resampled, a: int, b: int) -> Difference:
        return paired_difference(of.scores[a] - of.scores[b], of.resamples[a], of.resamples[b])

    places = range(len(groups))
    for a, b in combinations(places, 2) if len(groups) <= MOST_FOR_EVERY_PAIR else ((at, 0) for at in places[1:]):
        differences = {key: difference(scores, a, b) for key, scores in means.items()}
        by_length = tuple(difference(scores, a, b) for scores in binned_means)
        yield Comparison(names[a], names[b], differences, by_length)


def _means(
    members: Sequence[Sequence[int]], whole: Mapping[str, _Resampled], binned: Sequence[_Resampled]
) -> tuple[dict[str, _Resampled], list[_Resampled]]:
    """Return the means over each of `members`, of every metric and by length."""
    return {key: scores.means(members) for key, scores in whole.items()}, [scores.means(members) for scores in binned]


def _test_notes(test: EvaluationSet) -> tuple[str, ...]:
    note = tokenised_note("references", [line for stream in test.references for line in stream if line is not None])
    return (note,) if note else ()


def _system_notes(system: System) -> tuple[str, ...]:
    """Return what looks wrong with the hypotheses of `system`, where references like them would not have told it."""
    note = tokenised_note(f"hypotheses of {system.name}", system.hypotheses)
    return (note,) if note else ()

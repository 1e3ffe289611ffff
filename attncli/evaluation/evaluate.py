"""Scores hypotheses: as a whole, by length, and compared with each other.

N sources, R resamples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from statistics import fmean
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from attncli.config.evaluation import Evaluation
from attncli.evaluation.bins import (
    Group,
    LengthBin,
    duration_bins,
    groups,
    length_bins,
    shortest_word_counts,
    word_counts,
)
from attncli.evaluation.labels import confusions, label_scores
from attncli.evaluation.report import (
    BinScore,
    BoundedScore,
    Comparison,
    GroupScore,
    Report,
    Speed,
    SystemReport,
    TrainingCost,
    VariantReport,
    WeightInside,
)
from attncli.evaluation.test_set import EvaluationSet
from attncli.metrics.bleu import BLEU, length_ratio
from attncli.metrics.bootstrap import Difference, bounds, paired_difference, resampled_scores
from attncli.metrics.metric import Array, Metric, SentenceStatistics
from attncli.metrics.registry import METRICS
from attncli.metrics.tokenised import tokenised_note

LengthOf = Literal["source", "reference"]

MOST_FOR_EVERY_PAIR = 4
"""If there are more variants, each is only compared with the first."""


@dataclass(frozen=True)
class System:
    """One hypothesis for each source of a test set, and where they come from."""

    name: str
    hypotheses: tuple[str, ...]
    speed: Speed | None = None  # None: nothing was decoded
    details: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    training: TrainingCost | None = None  # None: not known
    variant: str | None = None  # the name for it and those that differ in their seeds alone; None: there are none
    weight_inside: tuple[SentenceStatistics, ...] = ()  # of each look; none without attention or gold places
    durations: tuple[float, ...] = ()  # seconds that each source lasts; none where they are not known


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


@dataclass(frozen=True)
class _Measured:
    """All scores of some systems."""

    first: str  # the metric of scores by length and by group
    statistics: Mapping[str, Sequence[SentenceStatistics]]  # by metric, of each system
    whole: Mapping[str, _Resampled]  # by metric
    bins: Sequence[LengthBin]
    binned: Sequence[_Resampled]
    parts: Sequence[Group]
    by_group: Sequence[_Resampled]

    def report(self, number: int, system: System) -> SystemReport:
        """Return the scores of `system`, the one with this `number`."""
        of_system = {key: found[number] for key, found in self.statistics.items()}
        return SystemReport(
            name=system.name,
            scores={key: scores.bounded(number) for key, scores in self.whole.items()},
            sentence_scores={key: found.sentence_scores() for key, found in of_system.items()},
            counts={key: found.counted() for key, found in of_system.items()},
            signatures={key: found.signature for key, found in of_system.items()},
            by_length=tuple(
                _bin_score(bin_, self.first, scores.bounded(number))
                for bin_, scores in zip(self.bins, self.binned, strict=True)
            ),
            by_group=tuple(
                GroupScore(part.name, len(part.indices), self.first, scores.bounded(number))
                for part, scores in zip(self.parts, self.by_group, strict=True)
            ),
            length_ratio=length_ratio(of_system["bleu"]) if "bleu" in of_system else None,
            speed=system.speed,
            training=system.training,
            details=system.details,
        )


def evaluate(
    test: EvaluationSet,
    systems: Sequence[System],
    settings: Evaluation,
    *,
    metrics: Mapping[str, Metric] = METRICS,
    length_of: LengthOf = "source",
    are_labels: bool = False,
) -> Report:
    """Return the scores of `systems` on `test` by `metrics`, the first of which is also reported by length.

    It is reported by the groups of `test`, too. BLEU is always among the metrics, last unless asked for, except where
    targets `are_labels`, which are then counted one by one. `length_of` is "reference" where the sources are not known.
    The length of sources that last, as the first of `systems` has measured it, is in seconds, any other in words.
    The same arguments give the same numbers.
    """
    first, metrics = next(iter(metrics)), {**metrics, **({} if are_labels else {"bleu": BLEU})}
    found = _measure(test, systems, settings, metrics=metrics, first=first, length_of=length_of)
    members = _members(systems)
    # Runs of a single variant can only be compared with each other.
    compared = members if len(members) > 1 else {system.name: [at] for at, system in enumerate(systems)}
    test_notes = _test_notes(test)
    reports = [
        replace(
            found.report(number, system),
            notes=system.notes if test_notes else (*_system_notes(system), *system.notes),
            weight_inside=_weight_inside(system, settings),
            **(_label_facts(system, test) if are_labels else {}),
        )
        for number, system in enumerate(systems)
    ]
    return Report(
        test=test.name,
        sources=len(test),
        noun=test.noun,
        references=len(test.references),
        length_of=length_of,
        length_unit="seconds" if length_of == "source" and _durations(systems) else "words",
        metrics=metrics,
        samples=settings.bootstrap_samples,
        seed=settings.seed,
        systems=tuple(reports),
        variants=tuple(_variants(members, reports, found.whole, found.binned, found.by_group)),
        comparisons=tuple(_compare(compared, found.whole, first, found.binned)),
        notes=test_notes,
    )


def _measure(
    test: EvaluationSet,
    systems: Sequence[System],
    settings: Evaluation,
    *,
    metrics: Mapping[str, Metric],
    first: str,
    length_of: LengthOf,
) -> _Measured:
    """Return all scores of `systems`; those by length and by group are of the metric `first`."""
    statistics = {
        key: [metric.measure(system.hypotheses, test.references) for system in systems]
        for key, metric in metrics.items()
    }
    bins = _length_bins(test, systems, settings, length_of)
    parts = groups(test.groups)

    def of_part(indices: NDArray[np.intp]) -> _Resampled:
        return _resample([found.part(indices) for found in statistics[first]], settings)

    return _Measured(
        first,
        statistics,
        {key: _resample(found, settings) for key, found in statistics.items()},
        bins,
        [of_part(each.indices) for each in bins],
        parts,
        [of_part(each.indices) for each in parts],
    )


def _label_facts(system: System, test: EvaluationSet) -> dict[str, Any]:
    """Return what a report says of labels one by one."""
    found = confusions(system.hypotheses, test.references)
    return {"by_label": label_scores(found), "confusions": found}


def _length_bins(
    test: EvaluationSet, systems: Sequence[System], settings: Evaluation, length_of: LengthOf
) -> tuple[LengthBin, ...]:
    if length_of == "reference":
        return length_bins(shortest_word_counts(test.references), settings.length_bins)
    if durations := _durations(systems):
        return duration_bins(np.array(durations), settings.duration_bins)
    assert test.sources is not None, "lengths of sources need sources"
    return length_bins(word_counts(test.sources), settings.length_bins)


def _durations(systems: Sequence[System]) -> tuple[float, ...]:
    """Return the seconds that each source lasts, as the first of `systems` that knows has measured them."""
    return next((system.durations for system in systems if system.durations), ())


def _resample(measured: Sequence[SentenceStatistics], settings: Evaluation) -> _Resampled:
    resamples = resampled_scores(measured, samples=settings.bootstrap_samples, seed=settings.seed)
    return _Resampled([statistics.score() for statistics in measured], resamples)


def _weight_inside(system: System, settings: Evaluation) -> WeightInside | None:
    if not system.weight_inside:
        return None
    _, uniform, words = system.weight_inside[-1].values.sum(0)
    resampled = _resample(system.weight_inside, settings)
    *before, last = (resampled.bounded(look) for look in range(len(system.weight_inside)))
    return WeightInside(last, uniform=100 * float(uniform / words), words=int(words), earlier_looks=tuple(before))


def _bin_score(bin_: LengthBin, metric: str, score: BoundedScore) -> BinScore:
    return BinScore(bin_.first, bin_.last, bin_.label, len(bin_.indices), metric, score)


def _members(systems: Sequence[System]) -> dict[str, list[int]]:
    """Return the systems of each variant, by their places."""
    members: dict[str, list[int]] = {}
    for at, system in enumerate(systems):
        members.setdefault(system.variant or system.name, []).append(at)
    return members


def _variants(
    members: Mapping[str, Sequence[int]],
    reports: Sequence[SystemReport],
    whole: Mapping[str, _Resampled],
    binned: Sequence[_Resampled],
    by_group: Sequence[_Resampled],
) -> Iterator[VariantReport]:
    means, binned_means = _means(list(members.values()), whole, binned)
    group_means = [scores.means(list(members.values())) for scores in by_group]
    for number, (name, group) in enumerate(members.items()):
        yield VariantReport(
            name,
            tuple(reports[at] for at in group),
            {key: scores.bounded(number) for key, scores in means.items()},
            tuple(
                replace(found, score=scores.bounded(number))
                for found, scores in zip(reports[0].by_length, binned_means, strict=True)
            ),
            tuple(
                replace(found, score=scores.bounded(number))
                for found, scores in zip(reports[0].by_group, group_means, strict=True)
            ),
        )


def _compare(
    groups: Mapping[str, Sequence[int]],
    whole: Mapping[str, _Resampled],
    length_metric: str,
    binned: Sequence[_Resampled],
) -> Iterator[Comparison]:
    """Yield the comparisons of the means of `groups`: of every pair or, where there are many, of each with the first.

    `binned` are the scores by length, of `length_metric`.
    """
    names = list(groups)
    means, binned_means = _means(list(groups.values()), whole, binned)

    def difference(of: _Resampled, a: int, b: int) -> Difference:
        return paired_difference(of.scores[a] - of.scores[b], of.resamples[a], of.resamples[b])

    places = range(len(groups))
    for a, b in combinations(places, 2) if len(groups) <= MOST_FOR_EVERY_PAIR else ((at, 0) for at in places[1:]):
        differences = {key: difference(scores, a, b) for key, scores in means.items()}
        by_length = tuple(difference(scores, a, b) for scores in binned_means)
        yield Comparison(names[a], names[b], differences, length_metric, by_length)


def _means(
    members: Sequence[Sequence[int]], whole: Mapping[str, _Resampled], binned: Sequence[_Resampled]
) -> tuple[dict[str, _Resampled], list[_Resampled]]:
    """Return the means over each of `members`, of every metric and by length."""
    return {key: scores.means(members) for key, scores in whole.items()}, [scores.means(members) for scores in binned]


def _test_notes(test: EvaluationSet) -> tuple[str, ...]:
    note = tokenised_note("references", [line for stream in test.references for line in stream if line is not None])
    return (note,) if note else ()


def _system_notes(system: System) -> tuple[str, ...]:
    """Return notes on the hypotheses of `system`; the references have no such note, or it would say it all."""
    note = tokenised_note(f"hypotheses of {system.name}", system.hypotheses)
    return (note,) if note else ()

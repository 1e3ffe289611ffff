"""The results of an evaluation, and their form in `report.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import stdev
from typing import Any

from attncli.metrics.bootstrap import Difference
from attncli.metrics.metric import Metric


@dataclass(frozen=True)
class BoundedScore:
    """A corpus score with its 95 % bootstrap bounds."""

    score: float
    low: float
    high: float

    def as_json(self) -> dict[str, Any]:
        """Return the score under `score`, `low` and `high`."""
        return {"score": self.score, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class BinScore:
    """A corpus score of the sources, or references, of `first` to `last` words, or of more than `first` seconds.

    `last` is None for all longer ones.
    """

    first: float
    last: float | None
    label: str
    sources: int
    metric: str  # a key of Report.metrics, the same in all bins of a report
    score: BoundedScore

    def as_json(self) -> dict[str, Any]:
        """Return the bin as `report.json` has it."""
        return {
            "from": self.first,
            "to": self.last,
            "sources": self.sources,
            self.metric: self.score.score,
            "low": self.score.low,
            "high": self.score.high,
        }


@dataclass(frozen=True)
class GroupScore:
    """A corpus score of the sources of one group, such as the questions of one type."""

    group: str
    sources: int
    metric: str  # a key of Report.metrics, that of the scores by length
    score: BoundedScore

    def as_json(self) -> dict[str, Any]:
        """Return the group as `report.json` has it."""
        return {
            "group": self.group,
            "sources": self.sources,
            self.metric: self.score.score,
            "low": self.score.low,
            "high": self.score.high,
        }


@dataclass(frozen=True)
class Confusion:
    """How many sources of the label `reference` were given the label `hypothesis`."""

    reference: str
    hypothesis: str
    sources: int

    def as_json(self) -> dict[str, Any]:
        """Return all three."""
        return {"reference": self.reference, "hypothesis": self.hypothesis, "sources": self.sources}


@dataclass(frozen=True)
class LabelScore:
    """How well one label is told from the others, in percent; None where there is nothing to divide by."""

    label: str
    sources: int  # of which it is the right label
    written: int  # to which it was given
    right: int

    @property
    def precision(self) -> float | None:
        """The share of the sources it was given to that have it."""
        return 100 * self.right / self.written if self.written else None

    @property
    def recall(self) -> float | None:
        """The share of the sources that have it that it was given to."""
        return 100 * self.right / self.sources if self.sources else None

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 200 * self.right / (self.written + self.sources)

    def as_json(self) -> dict[str, Any]:
        """Return the label as `report.json` has it."""
        return {
            "label": self.label,
            "sources": self.sources,
            "written": self.written,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
        }


@dataclass(frozen=True)
class Speed:
    """How fast a test set was decoded, loading the run not counted."""

    seconds: float
    sources: int
    tokens: int  # of the best hypotheses, end symbols counted

    def as_json(self) -> dict[str, Any]:
        """Return seconds and rates."""
        return {
            "seconds": self.seconds,
            "sources_per_second": self.sources / self.seconds,
            "tokens_per_second": self.tokens / self.seconds,
        }


@dataclass(frozen=True)
class TrainingCost:
    """Speed, duration and memory of the training of a run, without the breaks between its parts."""

    tokens_per_second: float  # of both sides, the median of the log's training records
    seconds: float  # validation included
    peak_memory_bytes: int | None = None  # of its largest part; None: not noted by any

    def as_json(self) -> dict[str, Any]:
        """Return the numbers."""
        return {
            "tokens_per_second": self.tokens_per_second,
            "seconds": self.seconds,
            "peak_memory_bytes": self.peak_memory_bytes,
        }


@dataclass(frozen=True)
class WeightInside:
    """The mean share of a word's attention in its gold place, in percent; of a label, that of the last look."""

    score: BoundedScore
    uniform: float  # what equal weights over the source would give
    words: int  # that have a place
    earlier_looks: tuple[BoundedScore, ...] = ()  # the same of each look before the last

    def as_json(self) -> dict[str, Any]:
        """Return it as `report.json` has it."""
        earlier = [look.as_json() for look in self.earlier_looks]
        return {
            **self.score.as_json(),
            "uniform": self.uniform,
            "words": self.words,
            **({"earlier_looks": earlier} if earlier else {}),
        }


@dataclass(frozen=True)
class SystemReport:
    """The scores of one system: a run, or a file of hypotheses."""

    name: str
    scores: Mapping[str, BoundedScore]  # by the keys of Report.metrics
    sentence_scores: Mapping[str, tuple[float, ...]]  # of each sentence by itself
    counts: Mapping[str, Mapping[str, int]]  # what scores are made of, by metric and name; empty for most
    signatures: Mapping[str, str]
    by_length: tuple[BinScore, ...]
    length_ratio: float | None  # None for labels
    speed: Speed | None  # None: nothing was decoded
    training: TrainingCost | None  # None: not known
    details: Mapping[str, Any]  # where the hypotheses come from: folder, step, beam size, …
    notes: tuple[str, ...] = ()
    weight_inside: WeightInside | None = None  # None: no attention, or no gold places
    by_group: tuple[GroupScore, ...] = ()  # none where the test set has no groups
    by_label: tuple[LabelScore, ...] = ()  # none where targets are text
    confusions: tuple[Confusion, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the system as an entry of `runs`."""
        scores = {
            key: {
                **score.as_json(),
                **{name.replace(" ", "_"): count for name, count in self.counts[key].items()},
                "signature": self.signatures[key],
            }
            for key, score in self.scores.items()
        }
        return {
            "run": self.name,
            **self.details,
            **scores,
            "length_ratio": self.length_ratio,
            "by_length": [found.as_json() for found in self.by_length],
            "by_group": [found.as_json() for found in self.by_group],
            "by_label": [found.as_json() for found in self.by_label],
            "confusions": [found.as_json() for found in self.confusions],
            "weight_inside": self.weight_inside.as_json() if self.weight_inside else None,
            "speed": self.speed.as_json() if self.speed else None,
            "training": self.training.as_json() if self.training else None,
        }


@dataclass(frozen=True)
class VariantReport:
    """Runs that differ in their seeds alone, or one run by itself. Its scores are the means of theirs.

    The bounds are those of that mean over resampled sources: they hold for these runs, and say nothing about other
    seeds, whose spread `deviation` estimates.
    """

    name: str
    systems: tuple[SystemReport, ...]
    scores: Mapping[str, BoundedScore]  # by the keys of Report.metrics
    by_length: tuple[BinScore, ...]
    by_group: tuple[GroupScore, ...] = ()

    def deviation(self, metric: str) -> float | None:
        """Return the standard deviation of `metric` between the runs; None of one run."""
        scores = [system.scores[metric].score for system in self.systems]
        return stdev(scores) if len(scores) > 1 else None

    def as_json(self) -> dict[str, Any]:
        """Return the variant as an entry of `variants`."""
        return {
            "variant": self.name,
            "runs": [system.name for system in self.systems],
            **{key: {**score.as_json(), "deviation": self.deviation(key)} for key, score in self.scores.items()},
            "by_length": [found.as_json() for found in self.by_length],
            "by_group": [found.as_json() for found in self.by_group],
        }


@dataclass(frozen=True)
class Comparison:
    """How far each score of variant `a` is above that of `b`, and one of them also by length."""

    a: str
    b: str
    differences: Mapping[str, Difference]  # by the keys of Report.metrics
    length_metric: str  # the key of the score that is compared by length
    by_length: tuple[Difference, ...]  # in the order of SystemReport.by_length

    def as_json(self) -> list[dict[str, Any]]:
        """Return an entry of `comparisons` for each metric; `difference` is a's score minus b's."""
        by_length = {
            self.length_metric: {"by_length": [_difference_as_json(difference) for difference in self.by_length]}
        }
        return [
            {"a": self.a, "b": self.b, "metric": key, **_difference_as_json(difference), **by_length.get(key, {})}
            for key, difference in self.differences.items()
        ]


def _difference_as_json(difference: Difference) -> dict[str, float]:
    return {
        "difference": difference.value,
        "low": difference.bounds.low,
        "high": difference.bounds.high,
        "p_value": difference.p_value,
    }


@dataclass(frozen=True)
class Report:
    """One test set, the systems scored on it, and the comparisons between them."""

    test: str
    sources: int
    noun: str  # what a source is called: sentence, image
    references: int  # of each source
    length_of: str  # "source" or "reference": whose length `by_length` goes by
    length_unit: str  # "words" or "seconds"
    metrics: Mapping[str, Metric]  # by their keys, BLEU first
    samples: int
    seed: int
    systems: tuple[SystemReport, ...]
    variants: tuple[VariantReport, ...]  # of these systems
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]  # about the test set; each system has its own besides

    def of(self, system: SystemReport) -> Report:
        """Return the report on `system` alone."""
        alone = VariantReport(system.name, (system,), system.scores, system.by_length, system.by_group)
        return replace(self, systems=(system,), variants=(alone,), comparisons=())

    @property
    def has_seeds(self) -> bool:
        """Whether a variant has runs of several seeds."""
        return len(self.variants) < len(self.systems)

    @property
    def length_metric(self) -> str:
        """The key of the score that is reported by length."""
        return self.systems[0].by_length[0].metric

    @property
    def length(self) -> str:
        """What the lengths are, in words: "seconds of the recording"."""
        return f"{self.length_unit} of the {self.noun if self.length_unit == 'seconds' else self.length_of}"

    @property
    def by_length_metric(self) -> Metric:
        """The metric of the scores by length."""
        return self.metrics[self.length_metric]

    @property
    def all_notes(self) -> tuple[str, ...]:
        """Notes on how to read the scores: those on the test set and those on every system."""
        return (*self.notes, *(note for system in self.systems for note in system.notes))

    def as_json(self) -> dict[str, Any]:
        """Return what `report.json` holds."""
        return {
            "test": self.test,
            "sources": self.sources,
            "noun": self.noun,
            "references": self.references,
            "length_of": self.length_of,
            "length_unit": self.length_unit,
            "bootstrap": {"samples": self.samples, "seed": self.seed},
            "runs": [system.as_json() for system in self.systems],
            "variants": [variant.as_json() for variant in self.variants],
            "comparisons": [entry for comparison in self.comparisons for entry in comparison.as_json()],
            "notes": list(self.all_notes),
        }

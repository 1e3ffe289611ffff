"""A corpus metric: statistics of each sentence, and a score of their sum.

N sentences, F statistics of a sentence, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.base import Metric as SacrebleuMetric

Array = NDArray[np.float64]
References = Sequence[Sequence[str | None]]
"""For each set of references one reference per sentence, or None where a sentence has fewer than others."""
Watch = Callable[[Sequence[str]], Iterable[str]]
"""Gives the hypotheses one by one, and so learns how far the work on them is."""


@dataclass(frozen=True)
class SentenceStatistics:
    """The statistics that a metric sums over sentences, from which any part of a corpus is scored without its text."""

    values: Array  # [N, F]
    signature: str
    score_of: Callable[[Array], float]  # a sum [F] of rows of `values` -> score
    sentence_score_of: Callable[[Array], float] | None = None  # a row [F] -> score; None: as of a sum
    counts: tuple[str, ...] = ()  # the names of the F, where people read them beside the score

    def __len__(self) -> int:
        """Return N."""
        return len(self.values)

    def score(self) -> float:
        """Return the score of the whole corpus."""
        return self.score_of(self.values.sum(axis=0))

    def sentence_scores(self) -> tuple[float, ...]:
        """Return the score of each sentence by itself."""
        score_of = self.sentence_score_of or self.score_of
        return tuple(score_of(row) for row in self.values)

    def counted(self) -> dict[str, int]:
        """Return the sums over the corpus that people read beside the score, by name."""
        return dict(zip(self.counts, self.values.sum(axis=0).astype(int).tolist(), strict=False))

    def part(self, indices: NDArray[np.intp]) -> SentenceStatistics:
        """Return the statistics of only the sentences `indices`."""
        return replace(self, values=self.values[indices])


@dataclass(frozen=True)
class Metric:
    """A corpus metric of hypotheses against one or more references each."""

    label: str
    lower_is_better: bool
    measure: Callable[[Sequence[str], References], SentenceStatistics]
    """Takes N hypotheses and one list of N references for each set of references."""
    digits: int = 2
    """Decimals of a score in tables; bounds have one less."""


def by_sentence(hypotheses: Sequence[str], references: References) -> list[list[str]]:
    """Return the references of each sentence.

    Raises ValueError if the numbers of hypotheses and references differ or are 0.
    """
    counts = {len(hypotheses), *map(len, references)}
    if len(counts) != 1 or not hypotheses or not references:
        raise ValueError(f"{len(hypotheses)} hypotheses against references of lengths {[*map(len, references)]}")
    found = [[text for text in texts if text is not None] for texts in zip(*references, strict=True)]
    if not all(found):
        raise ValueError(f"sentence {found.index([]) + 1} has no reference")
    return found


def mean_of_scores(scores: Sequence[float], signature: str, *, scale: float = 1.0) -> SentenceStatistics:
    """Return the statistics of a metric whose score of a corpus is `scale` times the mean of its sentences' scores."""
    values = np.array([[score, 1.0] for score in scores])
    return SentenceStatistics(values, signature, partial(_mean, scale))


def _mean(scale: float, totals: Array) -> float:
    return scale * float(totals[0] / totals[1])


def sacrebleu_statistics(
    metric: SacrebleuMetric,
    hypotheses: Sequence[str],
    references: References,
    *,
    of_sentences: SacrebleuMetric | None = None,
    watch: Watch = iter,
) -> SentenceStatistics:
    """Return what sacreBLEU's `metric` counts in each hypothesis, scored by its own formula, with its own signature.

    `of_sentences` is the formula for single sentences where that is another one. Raises ValueError if the numbers of
    hypotheses and references differ or are 0.
    """
    by_sentence(hypotheses, references)
    # The two calls that sacreBLEU's corpus_score makes; the first also puts the number of references in the signature.
    rows: list[list[float]] = metric._extract_corpus_statistics(cast(Any, watch(hypotheses)), cast(Any, references))
    signature = metric.get_signature().format()
    values = np.array(rows, dtype=np.float64)
    return SentenceStatistics(values, signature, _formula(metric), _formula(of_sentences or metric))


def _formula(metric: SacrebleuMetric) -> Callable[[Array], float]:
    def score_of(totals: Array) -> float:
        score: Any = metric._compute_score_from_stats(totals.tolist())
        return float(score.score)

    return score_of

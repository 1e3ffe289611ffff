"""chrF (Popović 2015), as sacreBLEU computes it by default: chrF2, character 6-grams."""

from __future__ import annotations

from collections.abc import Sequence

from sacrebleu.metrics.chrf import CHRF as SacrebleuCHRF  # noqa: N811 - the class's own name

from attncli.metrics.metric import Metric, References, SentenceStatistics, sacrebleu_statistics


def _measure(hypotheses: Sequence[str], references: References) -> SentenceStatistics:
    return sacrebleu_statistics(SacrebleuCHRF(), hypotheses, references)


CHRF = Metric("chrF", lower_is_better=False, measure=_measure)

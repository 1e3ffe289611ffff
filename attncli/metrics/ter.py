"""TER, the translation edit rate (Snover et al. 2006), as sacreBLEU computes it by default."""

from __future__ import annotations

from collections.abc import Sequence

from sacrebleu.metrics.ter import TER as SacrebleuTER  # noqa: N811 - the class's own name

from attncli.metrics.metric import Metric, References, SentenceStatistics, sacrebleu_statistics


def _measure(hypotheses: Sequence[str], references: References) -> SentenceStatistics:
    return sacrebleu_statistics(SacrebleuTER(), hypotheses, references)


TER = Metric("TER", lower_is_better=True, measure=_measure)

"""TER, the translation edit rate (Snover et al. 2006), as sacreBLEU computes it by default."""

from __future__ import annotations

from collections.abc import Sequence

from sacrebleu.metrics.ter import TER as SacrebleuTER  # noqa: N811 - the class's own name

from attncli.metrics.metric import Metric, References, SentenceStatistics, Watch, sacrebleu_statistics


def ter(watch: Watch = iter) -> Metric:
    """Return the metric, which gives `watch` the hypotheses: where words are reordered, ten may take a second."""

    def measure(hypotheses: Sequence[str], references: References) -> SentenceStatistics:
        return sacrebleu_statistics(SacrebleuTER(), hypotheses, references, watch=watch)

    return Metric("TER", lower_is_better=True, measure=measure)


TER = ter()

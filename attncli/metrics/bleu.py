"""BLEU (Papineni et al. 2002), as sacreBLEU computes it by default: 13a tokens, mixed case, exponential smoothing."""

from __future__ import annotations

from collections.abc import Sequence

from sacrebleu.metrics.bleu import BLEU as SacrebleuBLEU  # noqa: N811 - the class's own name

from attncli.metrics.metric import Metric, References, SentenceStatistics, sacrebleu_statistics


def _measure(hypotheses: Sequence[str], references: References) -> SentenceStatistics:
    # `force` silences sacreBLEU's warning about tokenised text; `tokenised_note` covers references too.
    # A sentence of three tokens has no 4-grams; sacreBLEU scores single sentences by the n-grams that they have.
    of_sentences = SacrebleuBLEU(force=True, effective_order=True)
    return sacrebleu_statistics(SacrebleuBLEU(force=True), hypotheses, references, of_sentences=of_sentences)


BLEU = Metric("BLEU", lower_is_better=False, measure=_measure)


def length_ratio(statistics: SentenceStatistics) -> float:
    """Return the length of the hypotheses over that of the closest references, in tokens, from BLEU's `statistics`."""
    hypothesis_tokens, reference_tokens = statistics.values[:, :2].sum(axis=0)
    return float(hypothesis_tokens / reference_tokens) if reference_tokens else 0.0

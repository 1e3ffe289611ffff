"""Accuracy: the share of answers or labels that are exactly right, in percent.

White space at the ends does not count; case and punctuation do. Of several references any may be matched.
"""

from __future__ import annotations

from collections.abc import Sequence

from attncli.metrics.metric import Metric, References, SentenceStatistics, by_sentence, mean_of_scores


def _measure(hypotheses: Sequence[str], references: References) -> SentenceStatistics:
    scores = [
        float(hypothesis.strip() in {text.strip() for text in texts})
        for hypothesis, texts in zip(hypotheses, by_sentence(hypotheses, references), strict=True)
    ]
    return mean_of_scores(scores, f"nrefs:{len(references)}|case:mixed|match:exact", scale=100)


ACCURACY = Metric("Accuracy", lower_is_better=False, measure=_measure)

"""ROUGE-1, ROUGE-2 and ROUGE-L of summaries (Lin 2004), by the package `rouge-score` with its stemmer.

The score of a corpus is the mean F1 of its summaries, times 100. Of several references the one with the best F1 counts.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Sequence
from functools import cache, lru_cache, partial
from typing import Any

from attncli.errors import UserError
from attncli.metrics.metric import Metric, References, SentenceStatistics, by_sentence, mean_of_scores

NAMES = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L"}


@cache
def _scorer() -> Any:
    if importlib.util.find_spec("rouge_score") is None:
        raise UserError(
            "ROUGE needs the package rouge-score; install it with: pip install 'attncli[summaries]', or leave out "
            "rouge1, rouge2 and rougeL"
        )
    # Here, since it takes half a second that only those who measure it should wait.
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([*NAMES], use_stemmer=True)


@lru_cache(maxsize=2**16)  # the three of a pair come from one call, and stemming takes most of its time
def _scores(hypothesis: str, reference: str) -> dict[str, float]:
    found = _scorer().score(reference, hypothesis)
    return {name: float(found[name].fmeasure) for name in NAMES}


def f1(name: str, hypothesis: str, references: Sequence[str]) -> float:
    """Return the F1 called `name` of `hypothesis` against the best of `references`, between 0 and 1."""
    return max(_scores(hypothesis, reference)[name] for reference in references)


def _measure(name: str, hypotheses: Sequence[str], references: References) -> SentenceStatistics:
    scores = [
        f1(name, hypothesis, texts)
        for hypothesis, texts in zip(hypotheses, by_sentence(hypotheses, references), strict=True)
    ]
    version = importlib.metadata.version("rouge-score")
    return mean_of_scores(scores, f"nrefs:{len(references)}|stemmer:porter|version:{version}", scale=100)


ROUGE: dict[str, Metric] = {
    name: Metric(label, lower_is_better=False, measure=partial(_measure, name)) for name, label in NAMES.items()
}

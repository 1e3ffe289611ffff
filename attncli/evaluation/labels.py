"""What targets that are labels are taken for: precision and recall of each label, and which are confused.

N sources.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from attncli.evaluation.report import Confusion, LabelScore
from attncli.metrics.metric import References, by_sentence


def confusions(hypotheses: Sequence[str], references: References) -> tuple[Confusion, ...]:
    """Return how often each label was written for each, the most frequent first.

    Of several references the one that was written counts, or else the first. White space at the ends does not count.
    """
    counts = Counter(
        (written, written) if written in right else (right[0], written)
        for written, right in (
            (hypothesis.strip(), [text.strip() for text in texts])
            for hypothesis, texts in zip(hypotheses, by_sentence(hypotheses, references), strict=True)
        )
    )
    return tuple(
        Confusion(*pair, count) for pair, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )


def label_scores(found: Sequence[Confusion]) -> tuple[LabelScore, ...]:
    """Return the scores of every label that is right or was written, those that are right most often first."""
    sources, written, right = Counter[str](), Counter[str](), Counter[str]()
    for each in found:
        sources[each.reference] += each.sources
        written[each.hypothesis] += each.sources
        if each.reference == each.hypothesis:
            right[each.reference] += each.sources
    labels = sorted({*sources, *written}, key=lambda label: (-sources[label], label))
    return tuple(LabelScore(label, sources[label], written[label], right[label]) for label in labels)

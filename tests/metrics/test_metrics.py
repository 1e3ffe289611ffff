"""Metrics: sums of statistics score as sacreBLEU does."""

from __future__ import annotations

import numpy as np
import pytest
import sacrebleu

from attncli.metrics.bleu import BLEU, length_ratio
from attncli.metrics.registry import METRICS

HYPOTHESES = ["A dog runs over the green grass.", "Two men are sitting.", "She reads", "the cat"]
FIRST = ["A dog runs across the green grass.", "Two men sit on a bench.", "She reads a book.", "the cat"]
SECOND = ["The dog is running over grass.", "Two men are sitting down.", "A woman reads a book.", "a cat"]
SACREBLEU = {"bleu": sacrebleu.BLEU(), "chrf": sacrebleu.CHRF(), "ter": sacrebleu.TER()}


@pytest.mark.parametrize("references", [[FIRST], [FIRST, SECOND]], ids=["one", "two"])
@pytest.mark.parametrize("key", list(METRICS))
def test_score_and_signature_are_sacrebleus(key: str, references: list[list[str]]) -> None:
    measured = METRICS[key].measure(HYPOTHESES, references)
    expected = SACREBLEU[key].corpus_score(HYPOTHESES, references)
    assert measured.score() == pytest.approx(expected.score, abs=1e-9)
    assert measured.signature == SACREBLEU[key].get_signature().format()


@pytest.mark.parametrize("key", list(METRICS))
def test_part_scores_as_its_sentences_alone(key: str) -> None:
    chosen = np.array([2, 0])
    part = METRICS[key].measure(HYPOTHESES, [FIRST]).part(chosen)
    alone = METRICS[key].measure([HYPOTHESES[i] for i in chosen], [[FIRST[i] for i in chosen]])
    assert len(part) == 2
    assert part.score() == pytest.approx(alone.score())


def test_signature_names_references_case_and_tokenisation() -> None:
    signature = BLEU.measure(HYPOTHESES, [FIRST]).signature
    assert signature == f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{sacrebleu.__version__}"


def test_length_ratio_counts_tokens_of_both_sides() -> None:
    # 13a splits the full stop: 3 + 2 tokens against 4 + 3.
    assert length_ratio(BLEU.measure(["a b.", "c d"], [["a b c.", "c d e"]])) == pytest.approx(5 / 7)


def test_only_ter_is_better_when_lower() -> None:
    assert [key for key, metric in METRICS.items() if metric.lower_is_better] == ["ter"]


@pytest.mark.parametrize(
    ("hypotheses", "references"),
    [(["a"], [["a", "b"]]), ([], [[]]), (["a"], [])],
    ids=["lengths", "none", "no_reference"],
)
def test_sides_that_do_not_match_are_refused(hypotheses: list[str], references: list[list[str]]) -> None:
    with pytest.raises(ValueError, match=rf"{len(hypotheses)} hypotheses against references of lengths"):
        BLEU.measure(hypotheses, references)

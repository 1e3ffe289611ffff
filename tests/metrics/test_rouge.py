"""ROUGE against values counted by hand, and against the package's own means."""

from __future__ import annotations

import importlib.util

import pytest
from rouge_score.rouge_scorer import RougeScorer

from attncli.errors import UserError
from attncli.metrics import rouge
from attncli.metrics.registry import ALL_METRICS, CAPTION_METRICS
from attncli.metrics.rewards import REWARDS
from attncli.metrics.rouge import NAMES, ROUGE

# "sleeping" and "sleeps" have one stem; "The" and "the" are one word, and punctuation is none.
TEXTS = ["The cats are sleeping.", "a b c d", "nothing alike", ""]
REFERENCES = ["the cat sleeps", "d c b a", "quite different words", "something"]


@pytest.mark.parametrize(
    ("name", "scores"),
    [
        # 3 of 4 words, 3 of 3: 2 * 3 / (4 + 3). All 4 of 4. 1 of 3 and of 2 bigrams; none. Common subsequences: 3; 1.
        ("rouge1", [2 * 3 / 7, 1.0, 0.0, 0.0]),
        ("rouge2", [2 * 1 / 5, 0.0, 0.0, 0.0]),
        ("rougeL", [2 * 3 / 7, 2 * 1 / 8, 0.0, 0.0]),
    ],
)
def test_f1_is_that_of_stemmed_words(name: str, scores: list[float]) -> None:
    found = ROUGE[name].measure(TEXTS, [REFERENCES])
    assert found.score() == pytest.approx(100 * sum(scores) / len(scores))
    assert found.sentence_scores() == pytest.approx([100 * score for score in scores])


def test_the_score_of_a_corpus_is_the_mean_of_the_package() -> None:
    scorer = RougeScorer([*NAMES], use_stemmer=True)
    for name in NAMES:
        expected = [
            scorer.score(reference, text)[name].fmeasure for text, reference in zip(TEXTS, REFERENCES, strict=True)
        ]
        assert ROUGE[name].measure(TEXTS, [REFERENCES]).score() == pytest.approx(100 * sum(expected) / len(expected))


def test_of_several_references_the_best_counts() -> None:
    references: list[list[str | None]] = [[*REFERENCES], [None, "a b c d", "nothing", None]]
    scores = ROUGE["rougeL"].measure(TEXTS, references).sentence_scores()
    assert scores == pytest.approx([100 * 6 / 7, 100.0, 100 * 2 / 3, 0.0])


def test_the_signature_names_stemmer_and_version() -> None:
    assert ROUGE["rouge1"].measure(TEXTS, [REFERENCES]).signature == "nrefs:1|stemmer:porter|version:0.1.2"


def test_rouge_of_summaries_is_another_than_that_of_captions() -> None:
    assert ALL_METRICS["rougeL"] is not CAPTION_METRICS["rouge_l"]
    assert {ROUGE[name].label for name in NAMES} == {"ROUGE-1", "ROUGE-2", "ROUGE-L"}


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rouge._scorer.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"ROUGE needs the package rouge-score; install it with: pip install 'attncli\[su"
    ):
        ROUGE["rouge1"].measure(["not asked before"], [["nor this"]])


def test_it_rewards_single_targets() -> None:
    reward = REWARDS["rougeL"]([["never read"]])
    assert reward([["a b c d", "x"], ["cats"]], [["d c b a", "a b"], ["the cat"]]) == [
        pytest.approx([2 * 2 / 6, 0.0]),
        pytest.approx([2 * 1 / 3]),
    ]

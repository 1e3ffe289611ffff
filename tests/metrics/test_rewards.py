"""Rewards of single targets: GLEU against values counted by hand, CIDEr-D against its definition."""

from __future__ import annotations

import pytest
from cider import HYPOTHESES, REFERENCES, cider_by_definition

from attncli.metrics.rewards import REWARDS, gleu

DOCUMENTS = [["A dog sits", "The grass", "A cat", "A bench", "Dogs"], ["Dog .", "Men", "Cats sleep", "A", "A dog"]]


# Wu et al. 2016, section 8.1: of all n-grams of 1 to 4 words, those that match, over those of the longer side.
@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("a b c", "a b c", 1),
        ("a b", "c d", 0),
        ("", "a", 0),
        ("", "", 0),
        # 3 + 2 + 1 n-grams, all found among 6 + 5 + 4 + 3.
        ("the cat sat", "the cat sat on the mat", 6 / 18),
        # 4 + 3 + 2 + 1 on both sides, where only the words match.
        ("a b c d", "d c b a", 4 / 10),
        # 5 + 4 + 3 + 2 of 6 + 5 + 4 + 3; with n-grams of five words it were 15 of 20.
        ("a b c d e", "a b c d e f", 14 / 18),
        # A word counts as often as it stands on the other side: 1 of 3 + 2 + 1.
        ("the the the", "the cat", 1 / 6),
        # Another case is another word.
        ("The cat", "the cat", 1 / 3),
    ],
)
def test_gleu_is_the_smaller_of_precision_and_recall(text: str, reference: str, expected: float) -> None:
    assert gleu(text, reference) == pytest.approx(expected)
    assert gleu(reference, text) == pytest.approx(expected)


# What the documentation of nltk.translate.gleu_score shows.
@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("the the the the the the the", "the cat is on the mat", 0.0909),
        (
            "It is a guide to action which ensures that the military always obeys the commands of the party",
            "It is a guide to action that ensures that the military will forever heed Party commands",
            0.4393,
        ),
        (
            "It is to insure the troops forever hearing the activity guidebook that party direct",
            "It is a guide to action that ensures that the military will forever heed Party commands",
            0.1206,
        ),
    ],
)
def test_gleu_is_that_of_nltk(text: str, reference: str, expected: float) -> None:
    assert expected <= gleu(text, reference) < expected + 1e-4


def test_each_text_is_rewarded_by_the_best_reference_of_its_source() -> None:
    texts, references = [["a b", "c", "d"], ["a b"]], [["a x", "a b", "c d"], ["c"]]
    expected = [[1, 1 / 3, 1 / 3], [0]]
    for training in ([], [["a b"], ["c d"]]):
        found = REWARDS["gleu"](training)(texts, references)
        assert found == [pytest.approx(row) for row in expected]


def test_cider_takes_document_frequencies_of_the_training_targets() -> None:
    reward = REWARDS["cider"](zip(*DOCUMENTS, strict=True))
    others = ["A cat", "Two men sit on a bench", "", "A dog"]
    texts = [list(of_source) for of_source in zip(HYPOTHESES, others, strict=True)]
    expected = [cider_by_definition(hypotheses, REFERENCES, DOCUMENTS) for hypotheses in (HYPOTHESES, others)]
    found = reward(texts, list(zip(*REFERENCES, strict=True)))
    assert found == [pytest.approx(row) for row in zip(*expected, strict=True)]
    # A source is rewarded alike, whatever others are at hand.
    for at, row in enumerate(found):
        references = [stream[at] for stream in REFERENCES]
        assert reward([texts[at]], [references]) == [pytest.approx(row)]

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

from attncli.data.sets.toy_reviews import ToyReviewSizes, make_toy_reviews

SIZES = ToyReviewSizes(train=300, dev=30, test=40)
OPINION = re.compile(r"The \w+ was (very|always|quite|really|not at all|never|hardly|not one bit) (\w+)\.")
GOOD = {"clean", "lovely", "quiet", "friendly", "excellent", "comfortable"}


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    folder = tmp_path_factory.mktemp("toy") / "new"
    make_toy_reviews(folder, SIZES, seed=3)
    with (folder / "reviews.tsv").open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_the_table_has_the_sizes_asked_for(reviews: list[dict[str, str]]) -> None:
    assert Counter(row["split"] for row in reviews) == vars(SIZES)


def test_a_label_is_that_of_the_one_opinion(reviews: list[dict[str, str]]) -> None:
    for row in reviews:
        opinions = OPINION.findall(row["text"])
        if not opinions:
            assert (row["label"], row["kind"]) == ("neutral", "none")
            continue
        [(stress, word)] = opinions
        negated = stress in ("not at all", "never", "hardly", "not one bit")
        assert row["kind"] == ("negated" if negated else "plain")
        assert row["label"] == ("positive" if (word in GOOD) != negated else "negative")


def test_labels_are_as_likely_and_no_review_occurs_twice(reviews: list[dict[str, str]]) -> None:
    counts = Counter(row["label"] for row in reviews)
    assert all(90 < count < 160 for count in counts.values())
    assert len({row["text"] for row in reviews}) == len(reviews)


def test_a_seed_gives_the_same_test_whatever_the_amount_of_training(tmp_path: Path) -> None:
    for name, train in (("one", 5), ("other", 9)):
        make_toy_reviews(tmp_path / name, ToyReviewSizes(train=train, dev=3, test=4), seed=3)
    one, other = ((tmp_path / name / "reviews.tsv").read_text() for name in ("one", "other"))
    assert other.startswith(one)

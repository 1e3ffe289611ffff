"""Accuracy, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from attncli.metrics.accuracy import ACCURACY
from attncli.metrics.bootstrap import bounds, paired_difference, resampled_scores
from attncli.metrics.registry import ALL_METRICS

ANSWERS = ["red", " two dogs ", "Red", "a circle", "", "3\u3000"]
REFERENCES: list[str | None] = ["red", "two dogs", "red", "a  circle", "none", "3"]


def test_an_answer_is_right_if_it_is_the_reference_but_for_white_space_at_the_ends() -> None:
    found = ACCURACY.measure(ANSWERS, [REFERENCES])
    assert found.sentence_scores() == (100, 100, 0, 0, 0, 100)
    assert found.score() == pytest.approx(50)


def test_any_of_several_references_may_be_matched() -> None:
    others: list[str | None] = [None, None, "blue", " a circle", None, "three"]
    assert ACCURACY.measure(ANSWERS, [REFERENCES, others]).sentence_scores() == (100, 100, 0, 100, 0, 100)


def test_the_signature_names_the_references_and_what_counts_as_equal() -> None:
    assert ACCURACY.measure(ANSWERS, [REFERENCES]).signature == "nrefs:1|case:mixed|match:exact"
    assert ACCURACY.measure(["a"], [["a"], ["b"]]).signature == "nrefs:2|case:mixed|match:exact"


def test_its_bounds_are_those_of_a_share_and_two_systems_are_told_apart() -> None:
    # 300 of 400 against 240 of 400: the standard error of a share is sqrt(p (1 - p) / n), here 2.2 and 2.4 points.
    good = ["yes"] * 300 + ["no"] * 100
    poor = ["yes"] * 240 + ["no"] * 160
    measured = [ACCURACY.measure(texts, [["yes"] * 400]) for texts in (good, poor)]
    assert [found.score() for found in measured] == pytest.approx([75, 60])
    scores = resampled_scores(measured, samples=500, seed=1)
    for row, share in zip(scores, (0.75, 0.6), strict=True):
        found, half_width = bounds(row), 196 * np.sqrt(share * (1 - share) / 400)
        assert (found.low, found.high) == pytest.approx((100 * share - half_width, 100 * share + half_width), abs=1)
    assert paired_difference(15, *scores).p_value < 0.01


def test_it_is_a_metric_of_eval() -> None:
    assert ALL_METRICS["accuracy"] is ACCURACY
    assert (ACCURACY.label, ACCURACY.lower_is_better) == ("Accuracy", False)

"""WER and CER against a table over all prefixes, which counts edits by their definition."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import jiwer
import numpy as np
import pytest

from attncli.metrics.bootstrap import bounds, paired_difference, resampled_scores
from attncli.metrics.metric import Metric
from attncli.metrics.registry import ALL_METRICS, GENERAL_METRICS
from attncli.training.history import ERROR_RATES

WER, CER = ALL_METRICS["wer"], ALL_METRICS["cer"]
REFERENCES = ["one two three", "nine", "four five", "six seven eight nine zero", "two  two"]
HYPOTHESES = ["one three three four", "", "four five", "seven eight  nine\tzero zero", " two two "]


def edits(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Return the fewest edits between two sequences."""
    table = {(i, 0): i for i in range(len(reference) + 1)} | {(0, j): j for j in range(len(hypothesis) + 1)}
    for i, j in itertools.product(range(1, len(reference) + 1), range(1, len(hypothesis) + 1)):
        same = reference[i - 1] == hypothesis[j - 1]
        table[i, j] = min(table[i - 1, j - 1] + (not same), table[i - 1, j] + 1, table[i, j - 1] + 1)
    return table[len(reference), len(hypothesis)]


def drawn(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(["a", "bc", "d", "ee"], k=draw.randint(0, 6))) for _ in range(count)]


def test_a_rate_is_the_sum_of_all_edits_over_the_sum_of_all_lengths() -> None:
    hypotheses, references = drawn(60, 1), drawn(60, 2)
    pairs = list(zip(references, hypotheses, strict=True))
    words = sum(edits(one.split(), other.split()) for one, other in pairs)
    characters = sum(edits(one, other) for one, other in pairs)
    assert WER.measure(hypotheses, [references]).score() == pytest.approx(
        100 * words / sum(len(text.split()) for text in references)
    )
    assert CER.measure(hypotheses, [references]).score() == pytest.approx(100 * characters / sum(map(len, references)))
    assert WER.measure(hypotheses, [references]).score() == pytest.approx(100 * jiwer.wer(references, hypotheses))


def test_errors_are_counted_by_kind() -> None:
    # One substituted and one inserted; one deleted; none; "six" deleted and "zero" inserted; none.
    assert WER.measure(HYPOTHESES, [REFERENCES]).counted() == {
        "substitutions": 1,
        "deletions": 2,
        "insertions": 2,
        "reference words": 13,
    }
    # "cat" from "cart" and "bat": a deletion and an insertion of no character, then one substituted.
    assert CER.measure(["cat", "a  b"], [["cart", "a c"]]).counted() == {
        "substitutions": 1,
        "deletions": 1,
        "insertions": 0,
        "reference characters": 7,
    }


@pytest.mark.parametrize(("metric", "unit"), [(WER, "words"), (CER, "characters")])
def test_the_signature_says_what_is_counted_and_by_what(metric: Metric, unit: str) -> None:
    found = metric.measure(HYPOTHESES, [REFERENCES, [None] * 5]).signature
    assert found == f"nrefs:2|case:mixed|unit:{unit}|version:jiwer {jiwer_version()}"


def jiwer_version() -> str:
    from importlib.metadata import version

    return version("jiwer")


def test_of_several_references_the_one_with_the_lowest_rate_counts() -> None:
    # Two of four words are wrong, or one of one: the longer reference has the lower rate, though more errors.
    found = WER.measure(["a b"], [["c"], ["a b c d"]])
    assert found.counted()["reference words"] == 4
    assert found.score() == pytest.approx(50)


def test_case_and_punctuation_are_errors_and_more_may_be_wrong_than_there_is() -> None:
    assert WER.measure(["The dog ."], [["the dog."]]).score() == pytest.approx(150)


def test_a_reference_without_words_counts_as_one_word() -> None:
    assert WER.measure([""], [[""]]).score() == 0
    assert WER.measure(["a b"], [[" "]]).score() == pytest.approx(200)
    assert WER.measure(["a b", "c"], [["", "c"]]).sentence_scores() == pytest.approx((200, 0))


def test_a_resampled_rate_is_that_of_the_drawn_utterances() -> None:
    measured = WER.measure(HYPOTHESES, [REFERENCES])
    [scores] = resampled_scores([measured], samples=7, seed=3)
    generator = np.random.default_rng(3)
    for score in scores:
        drawn = generator.integers(5, size=5)
        assert score == pytest.approx(
            100 * jiwer.wer([REFERENCES[at] for at in drawn], [HYPOTHESES[at] for at in drawn])
        )
    found = bounds(scores)
    assert min(scores) <= found.low < found.high <= max(scores)


def test_a_difference_of_two_systems_is_negative_where_the_first_makes_fewer_errors() -> None:
    good, bad = ["a b c"] * 40, ["a b d"] * 30 + ["a b c"] * 10
    measured = [WER.measure(texts, [["a b c"] * 40]) for texts in (good, bad)]
    scores = resampled_scores(measured, samples=200, seed=1)
    found = paired_difference(measured[0].score() - measured[1].score(), *scores)
    assert found.value == pytest.approx(-25)
    assert found.bounds.high < 0
    assert found.p_value < 0.01


def test_both_are_metrics_of_any_task_of_which_lower_is_better() -> None:
    assert {key: (metric.label, metric.lower_is_better) for key, metric in GENERAL_METRICS.items()} == {
        "accuracy": ("Accuracy", False),
        "wer": ("WER", True),
        "cer": ("CER", True),
    }


def test_checkpoints_are_chosen_by_the_lowest_of_every_score_of_which_lower_is_better() -> None:
    assert set(ERROR_RATES) == {key for key, metric in ALL_METRICS.items() if metric.lower_is_better}

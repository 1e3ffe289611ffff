"""Bootstrap: the draws, bounds and p-values of sacreBLEU's paired bootstrap."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import numpy as np
import pytest
import sacrebleu
from sacrebleu.significance import PairedTest, Result

from attncli.metrics.bootstrap import Bounds, bounds, paired_difference, resampled_scores
from attncli.metrics.registry import METRICS

WORDS = [
    "a",
    "dog",
    "runs",
    "over",
    "the",
    "green",
    "grass",
    "while",
    "two",
    "men",
    "sit",
    "on",
    "old",
    "chairs",
    "and",
]


def noisy(lines: list[str], rate: float, seed: int) -> list[str]:
    generator = random.Random(seed)
    return [
        " ".join(w if generator.random() > rate else generator.choice(WORDS) for w in line.split()) for line in lines
    ]


def references(sentences: int) -> list[str]:
    generator = random.Random(5)
    return [" ".join(generator.choices(WORDS, k=generator.randint(3, 14))) + "." for _ in range(sentences)]


@pytest.mark.parametrize("key", list(METRICS))
def test_each_resample_is_the_score_of_its_drawn_sentences(key: str) -> None:
    lines = references(7)
    hypotheses = noisy(lines, 0.4, 1)
    [scores] = resampled_scores([METRICS[key].measure(hypotheses, [lines])], samples=5, seed=3)
    draws = np.random.default_rng(3).choice(7, size=(5, 7), replace=True)
    for score, drawn in zip(scores, draws, strict=True):
        alone = METRICS[key].measure([hypotheses[i] for i in drawn], [[lines[i] for i in drawn]])
        assert score == pytest.approx(alone.score())


def test_paired_test_agrees_with_sacrebleu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SACREBLEU_SEED", "12345")
    lines = references(60)
    systems: list[tuple[str, Sequence[str]]] = [
        ("a", noisy(lines, 0.30, 1)),
        ("b", noisy(lines, 0.31, 2)),
        ("c", noisy(lines, 0.25, 3)),
    ]
    metric = sacrebleu.BLEU()
    _, results = PairedTest(systems, {"BLEU": metric}, [lines], test_type="bs", n_samples=200)()
    expected = [result for result in results["BLEU"] if isinstance(result, Result)]
    assert len(expected) == 3
    measured = [METRICS["bleu"].measure(hypotheses, [lines]) for _, hypotheses in systems]
    scores = resampled_scores(measured, samples=200, seed=12345)
    for other in (1, 2):
        difference = measured[0].score() - measured[other].score()
        found = paired_difference(difference, scores[0], scores[other])
        assert found.p_value == pytest.approx(expected[other].p_value)
        assert found.value == pytest.approx(expected[0].score - expected[other].score)
        assert found.bounds.low < found.value < found.bounds.high


def test_bounds_are_percentiles_around_the_score() -> None:
    values = np.arange(1001.0)
    assert bounds(values) == Bounds(25.0, 975.0)
    lines = references(40)
    measured = METRICS["bleu"].measure(noisy(lines, 0.3, 1), [lines])
    found = bounds(resampled_scores([measured], samples=300, seed=1)[0])
    assert found.low < measured.score() < found.high


def test_identical_systems_do_not_differ() -> None:
    lines = references(9)
    measured = METRICS["bleu"].measure(noisy(lines, 0.3, 1), [lines])
    scores = resampled_scores([measured, measured], samples=50, seed=1)
    found = paired_difference(0.0, scores[0], scores[1])
    assert (found.value, found.bounds, found.p_value) == (0.0, Bounds(0.0, 0.0), 1.0)


def test_p_value_counts_centred_differences_beyond_the_real_one() -> None:
    # Sizes 1, 3, 4, 8 have mean 4; centred -3, -1, 0, 4; one is over 2.
    found = paired_difference(-2.0, np.array([1.0, 0.0, 4.0, 0.0]), np.array([0.0, 3.0, 0.0, 8.0]))
    assert found.p_value == pytest.approx(2 / 5)


def test_same_seed_gives_same_numbers_and_another_seed_others() -> None:
    lines = references(30)
    measured = [METRICS["chrf"].measure(noisy(lines, 0.3, 1), [lines])]
    first = resampled_scores(measured, samples=20, seed=4)
    assert np.array_equal(first, resampled_scores(measured, samples=20, seed=4))
    assert not np.array_equal(first, resampled_scores(measured, samples=20, seed=5))


def test_thousand_resamples_of_thousand_sentences_take_no_time_worth_waiting_for() -> None:
    lines = references(1000)
    measured = METRICS["bleu"].measure(noisy(lines, 0.3, 1), [lines])
    started = time.process_time()
    resampled_scores([measured], samples=1000, seed=1)
    assert time.process_time() - started < 2

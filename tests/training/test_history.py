from __future__ import annotations

from typing import Any

import pytest
from tiny_task import tiny_config

from attncli.training.ends import reason_to_end, seconds_left, shares_used
from attncli.training.history import Validation, best_validations, without_improvement
from attncli.training.state import TrainingState


def history(*losses: float) -> list[Validation]:
    return [
        Validation(10 * step, 1, {"loss": loss, "bleu": 100 - loss / 2}) for step, loss in enumerate(losses, start=1)
    ]


def test_the_best_have_the_lowest_loss_or_the_highest_bleu() -> None:
    validations = history(4.0, 2.0, 3.0, 5.0)
    for metric in ("loss", "bleu"):
        assert [each.step for each in best_validations(validations, metric, count=3)] == [20, 30, 10]


def test_the_best_have_the_lowest_error_rate() -> None:
    validations = [Validation(step, 1, {"wer": rate, "loss": 1.0}) for step, rate in ((1, 30.0), (2, 120.5), (3, 7.5))]
    assert [each.step for each in best_validations(validations, "wer", count=2)] == [3, 1]
    values = [each.value("wer") for each in validations]
    assert without_improvement(values, minimum=0.0) == 0
    assert without_improvement(values[:2], minimum=0.0) == 1


def test_of_equal_validations_the_earlier_is_better() -> None:
    assert [each.step for each in best_validations(history(3.0, 2.0, 2.0), "loss", count=2)] == [20, 30]


@pytest.mark.parametrize(
    ("values", "minimum", "expected"),
    [
        ([], 0, 0),
        ([1], 0, 0),
        ([1, 2, 3], 0, 0),
        ([3, 3, 2], 0, 2),
        ([3, 2, 1, 4, 1], 0, 1),
        ([10, 10.4, 10.4, 10.6], 0.5, 0),  # each is held against the best that counted
        ([10, 10.4, 10.5], 0.5, 2),
    ],
)
def test_validations_without_improvement_are_counted(values: list[float], minimum: float, expected: int) -> None:
    assert without_improvement(values, minimum=minimum) == expected


STATE = TrainingState(step=30, epoch=3, batch=5, epoch_batches=10)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"max_steps": 30}, "max_steps"),
        ({"max_steps": 31}, None),
        ({"max_epochs": 2, "max_steps": None}, "max_epochs"),
        ({"max_epochs": 3, "max_steps": None}, None),
        ({"max_minutes": 2.0, "max_steps": None}, "max_minutes"),
        ({"max_minutes": 2.1, "max_steps": None}, None),
        ({"max_steps": 99, "early_stopping": {"patience": 2}}, "early_stopping"),
        ({"max_steps": 99, "early_stopping": {"patience": 3}}, None),
        ({"max_steps": 99, "early_stopping": {"patience": 3, "minimum_improvement": 1.5}}, "early_stopping"),
    ],
)
def test_training_ends_where_the_configuration_says(settings: dict[str, Any], expected: str | None) -> None:
    assert reason_to_end(tiny_config(**settings), STATE, values=[5.0, 6.0, 4.0, 5.0], seconds=120.0) == expected


def test_an_epoch_ends_with_its_last_batch() -> None:
    config = tiny_config(max_epochs=3, max_steps=None)
    for batch, expected in ((9, None), (10, "max_epochs")):
        state = TrainingState(step=30, epoch=3, batch=batch, epoch_batches=10)
        assert reason_to_end(config, state, values=[], seconds=0.0) == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"max_steps": 120}, {"max_steps": 0.25}),
        ({"max_steps": 120, "max_epochs": 4}, {"max_steps": 0.25, "max_epochs": 0.625}),
        ({"max_steps": None, "max_epochs": 4, "max_minutes": 2.5}, {"max_epochs": 0.625, "max_minutes": 0.8}),
        ({"max_steps": 15}, {"max_steps": 1.0}),
    ],
)
def test_the_shares_used_are_those_of_every_limit(settings: dict[str, Any], expected: dict[str, float]) -> None:
    assert shares_used(tiny_config(**settings), STATE, seconds=120.0) == pytest.approx(expected)


def test_nothing_is_used_before_the_first_update() -> None:
    assert set(shares_used(tiny_config(max_epochs=4), TrainingState(), seconds=0.0).values()) == {0.0}


def test_the_time_left_is_that_of_the_end_which_comes_first() -> None:
    before = {"max_steps": 0.5, "max_epochs": 0.1}
    assert seconds_left(before, before, elapsed=3.0) is None
    # A tenth in 30 seconds leaves 120 for four tenths; epochs pass five times as fast.
    assert seconds_left(before, {**before, "max_steps": 0.6}, elapsed=30.0) == pytest.approx(120)
    assert seconds_left(before, {"max_steps": 0.6, "max_epochs": 0.6}, elapsed=30.0) == pytest.approx(24)

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pytest
from tiny_task import tiny_config

from attncli.training.schedules import SCHEDULES, build_schedule


def factors(at: Iterable[int], **settings: Any) -> list[float]:
    schedule = build_schedule(tiny_config(schedule=settings, max_steps=10))
    return [schedule(step, []) for step in at]


# Worked out by hand.
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"kind": "constant"}, {1: 1, 9: 1}),
        ({"kind": "constant", "warmup": 4}, {1: 1 / 4, 3: 3 / 4, 4: 1, 90: 1}),
        ({"kind": "inverse_square_root", "warmup": 4}, {1: 1 / 4, 4: 1, 16: 1 / 2, 64: 1 / 4}),
        ({"kind": "noam", "warmup": 4, "size": 25}, {1: 1 / 40, 2: 2 / 40, 4: 1 / 10, 16: 1 / 20, 100: 1 / 50}),
        ({"kind": "cosine"}, {5: 0.5, 10: 0, 50: 0}),
        ({"kind": "cosine", "warmup": 2, "steps": 8, "lowest": 0.1}, {1: 0.5, 2: 1, 4: 0.775, 5: 0.55, 8: 0.1, 9: 0.1}),
        ({"kind": "cosine", "warmup": 8, "steps": 9}, {4: 0.5, 8: 1, 9: 0}),
        ({"kind": "plateau", "warmup": 2}, {1: 0.5, 2: 1, 70: 1}),
    ],
)
def test_factors_are_those_worked_out_by_hand(settings: dict[str, Any], expected: dict[int, float]) -> None:
    assert factors(expected, **settings) == pytest.approx(list(expected.values()))


def test_cosine_falls_steadily() -> None:
    found = factors(range(1, 11), kind="cosine", warmup=1)
    assert found == sorted(found, reverse=True)
    assert found[1] == pytest.approx((1 + math.cos(math.pi / 9)) / 2)


@pytest.mark.parametrize(
    ("values", "cuts"),
    [
        ([], 0),
        ([1, 2, 3], 0),
        ([3, 2], 0),
        ([3, 2, 1], 1),
        ([3, 3, 3], 1),  # as good is not better
        ([3, 2, 1, 2], 1),
        ([3, 2, 1, 2, 2], 2),
        ([3, 2, 4, 3], 0),
        ([3, 2, 1, 4, 1, 1], 2),
    ],
)
def test_plateau_cuts_after_each_two_validations_without_a_new_best(values: list[float], cuts: int) -> None:
    schedule = build_schedule(tiny_config(schedule={"kind": "plateau", "factor": 0.3, "patience": 2}))
    assert schedule(100, values) == pytest.approx(0.3**cuts)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_every_schedule_warms_up_and_stays_positive(kind: str) -> None:
    settings = {"kind": kind, "warmup": 5, **({"size": 16} if kind == "noam" else {})}
    found = factors(range(1, 10), **settings)
    assert found[:5] == sorted(found[:5])
    assert all(factor > 0 for factor in found)
    assert found[0] == pytest.approx(found[4] / 5)

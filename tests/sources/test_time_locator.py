"""Intervals of time are found among positions: counted here in thousandths of a second."""

from __future__ import annotations

import numpy as np
import pytest

from attncli.data.columns import Places
from attncli.data.gold_places import GoldPlace
from attncli.decoding.written import Written, WrittenHypothesis
from attncli.sources.time_locator import TimeLocator


def shares(shape: tuple[int, ...], seconds: float, *intervals: tuple[float, float]) -> np.ndarray:
    weights = np.zeros((2, *shape), np.float32)
    written = WrittenHypothesis("x", ("x", "</s>"), 0.0, 0.0, weights)
    found = Written("a.wav", Places(seconds=seconds), (written,))
    return TimeLocator().shares(
        found, [GoldPlace.model_validate({"words": (0,), "seconds": interval}) for interval in intervals]
    )


def counted(positions: int, seconds: float, interval: tuple[float, float]) -> list[float]:
    per_position = round(1000 * seconds)
    return [
        sum(interval[0] <= (at * per_position + moment + 0.5) / 1000 < interval[1] for moment in range(per_position))
        / per_position
        for at in range(positions)
    ]


@pytest.mark.parametrize("interval", [(0.0, 0.04), (0.05, 0.19), (0.1, 0.11), (0.13, 9.0), (0.0, 0.2), (0.9, 1.0)])
def test_a_position_counts_by_its_time_in_the_interval(interval: tuple[float, float]) -> None:
    [found] = shares((5,), 0.04, interval)
    assert found.tolist() == pytest.approx(counted(5, 0.04, interval), abs=1e-9)


def test_each_interval_has_a_row() -> None:
    found = shares((3,), 0.5, (0.0, 0.5), (0.25, 1.5))
    assert found.tolist() == [[1, 0, 0], [0.5, 1, 1]]


def test_all_regions_of_a_frame_last_as_long_as_it_does() -> None:
    [found] = shares((3, 2, 2), 0.5, (0.5, 1.25))
    assert found.tolist() == [0] * 4 + [1] * 4 + [0.5] * 4


def test_only_intervals_of_time_are_known() -> None:
    assert TimeLocator().kinds == ("seconds",)

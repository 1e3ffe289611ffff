"""Toy films of the arrow of time: five kinds that do not go backwards, and two whose films backwards are as likely."""

from __future__ import annotations

import csv
import math
from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest

from attncli.data.sets.toy_arrow_of_time import (
    FRAMES,
    KINDS,
    REVERSIBLE,
    ToyArrowSizes,
    film_of,
    make_toy_arrow_of_time,
    turn,
)
from attncli.data.sets.toy_films import SIDE, Picture, flickering, swing
from attncli.sources.video.files import film_at

SIZES = ToyArrowSizes(train=16, dev=7, test=14)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy") / "new"
    make_toy_arrow_of_time(folder, SIZES, seed=3)
    return folder


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "films.tsv").open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def films(kind: str, count: int = 60) -> list[list[Picture]]:
    random = Random(5)
    return [film_of(random, kind) for _ in range(count)]


def test_every_film_has_a_row_and_all_of_its_frames_and_every_kind_is_as_frequent(made: Path) -> None:
    found = rows(made)
    assert {row["film"] for row in found} == {path.name for path in (made / "films").iterdir()}
    assert Counter(row["split"] for row in found) == {"train": 16, "dev": 7, "test": 14}
    assert Counter(row["kind"] for row in found if row["split"] == "test") == dict.fromkeys(KINDS, 2)
    assert len(KINDS) == 7
    for row in found:
        assert row["reversibility"] == ("reversible" if row["kind"] in ("swinging", "turning") else "irreversible")
        assert film_at(made / "films" / row["film"], frame_height=None, frames_per_second=10.0).count() == FRAMES


def test_a_ball_bounces_lower_each_time() -> None:
    for film in films("bouncing"):
        heights = [-max(y for _, y in picture[0].corners) for picture in film]
        peaks = [heights[at] for at in range(1, FRAMES - 1) if heights[at - 1] < heights[at] >= heights[at + 1]]
        assert peaks, "it bounces at least once"
        assert max(heights[-3:]) < min(heights[0], max(peaks)), "and not as high in the end"


def test_colours_mix() -> None:
    for film in films("mixing"):
        apart = [_neighbours_of_one_colour(picture) for picture in film]
        assert apart[0] == 20  # of 24 pairs of neighbours all but those along the border of the halves
        assert apart[-1] < 20
        assert Counter(drawn.colour for drawn in film[0]) == Counter(drawn.colour for drawn in film[-1])


def _neighbours_of_one_colour(picture: Picture) -> int:
    """Return how many pairs of grains beside or above each other have the same colour."""
    places = [np.mean(drawn.corners, 0) for drawn in picture]
    return sum(
        picture[one].colour == picture[other].colour
        for one in range(len(picture))
        for other in range(one)
        if np.abs(places[one] - places[other]).sum() < 8
    )


def test_a_drop_spreads_and_keeps_its_amount_of_colour_until_it_is_pale() -> None:
    for film in films("spreading"):
        drops = [picture[0] for picture in film]
        areas = [_area(drop.corners) for drop in drops]
        assert all(one < other for one, other in pairwise(areas))
        for drop, area in zip(drops, areas, strict=True):
            assert drop.strength == pytest.approx(max(0.3, areas[0] / area))


def test_a_candle_burns_down_under_a_flame_that_only_flickers() -> None:
    lengths = []
    for film in films("burning", 400):
        tall = [_area(picture[0].corners) for picture in film]
        assert all(one > other for one, other in pairwise(tall))
        lengths.append([_area(picture[1].corners) for picture in film])
    np.testing.assert_allclose(np.mean(lengths, 0), np.mean(lengths), rtol=0.05)


def test_something_whole_breaks_into_parts() -> None:
    for film in films("breaking"):
        counts = [len(picture) for picture in film]
        assert set(counts) == {1, 5}
        assert counts == sorted(counts)


def _area(corners: list[tuple[float, float]]) -> float:
    x, y = np.array(corners).T
    return float(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)


def test_a_pendulum_backwards_is_one_from_another_phase() -> None:
    random = Random(2)
    for _ in range(20):
        period, phase = random.uniform(5, 8), random.uniform(0, 2 * math.pi)
        forwards = swing("red", "blue", 15.0, 18.0, 0.5, period=period, phase=phase, frames=FRAMES)
        # sin(a) = sin(π - a), and time runs the other way from the phase of the last frame.
        other = math.pi - (phase + 2 * math.pi * (FRAMES - 1) / period)
        backwards = swing("red", "blue", 15.0, 18.0, 0.5, period=period, phase=other, frames=FRAMES)
        _assert_same(list(forwards)[::-1], list(backwards))


def test_a_wheel_backwards_turns_the_other_way() -> None:
    random = Random(2)
    for _ in range(20):
        step, phase = random.uniform(-0.6, 0.6), random.uniform(0, 2 * math.pi)
        forwards = turn("red", "blue", 15.0, 14.0, 9.0, step=step, phase=phase)
        backwards = turn("red", "blue", 15.0, 14.0, 9.0, step=-step, phase=phase + step * (FRAMES - 1))
        _assert_same(list(forwards)[::-1], list(backwards))


def _assert_same(film: list[Picture], other: list[Picture]) -> None:
    for one, two in zip(film, other, strict=True):
        assert [drawn.colour for drawn in one] == [drawn.colour for drawn in two]
        np.testing.assert_allclose(
            [corner for drawn in one for corner in drawn.corners], [corner for drawn in two for corner in drawn.corners]
        )


@pytest.mark.parametrize(("kind", "turns_of_drawn"), [("swinging", 0), ("turning", 1)])
def test_phases_are_even_and_both_ways_as_likely(kind: str, turns_of_drawn: int) -> None:
    """The first and the last frames of many films look alike, and so do the steps between frames both ways."""
    ends = np.array(
        [[np.mean(picture[turns_of_drawn].corners, 0) for picture in film] for film in films(kind, 3000)]
    )  # [films, frames, 2]
    np.testing.assert_allclose(ends.mean(0), ends.mean(0)[::-1], atol=0.5)
    np.testing.assert_allclose(ends.std(0), ends.std(0)[::-1], rtol=0.06)
    steps = np.diff(ends, axis=1)
    np.testing.assert_allclose(steps.mean(0), 0, atol=0.3)
    np.testing.assert_allclose(steps.std(0), steps.std(0)[::-1], rtol=0.06)


def test_as_many_wheels_turn_left_as_right() -> None:
    lefts = 0
    for film in films("turning", 2000):
        first, second = (np.subtract(*(np.mean(drawn.corners, 0) for drawn in picture[::-1])) for picture in film[:2])
        lefts += int(first[0] * second[1] - first[1] * second[0] < 0)
    assert lefts == pytest.approx(1000, abs=90)  # four deviations


def test_the_light_flickers_alike_from_both_ends_and_is_never_the_same_twice() -> None:
    random = Random(4)
    lights = np.array([flickering(random, FRAMES) for _ in range(4000)])
    assert all(len(set(of_film)) == FRAMES for of_film in lights.tolist())
    assert lights.max() <= 255
    np.testing.assert_allclose(lights.mean(0), lights.mean(), atol=1)


def test_everything_stays_within_the_frame() -> None:
    for kind in KINDS:
        for film in films(kind, 40):
            corners = [corner for picture in film for drawn in picture for corner in drawn.corners]
            assert np.min(corners) >= 0, kind
            assert np.max(corners) <= SIDE, kind


def test_reversible_kinds_are_kinds() -> None:
    assert set(REVERSIBLE) < set(KINDS)


def test_equal_seeds_give_equal_files(made: Path, tmp_path: Path) -> None:
    make_toy_arrow_of_time(tmp_path / "again", SIZES, seed=3)
    for path in (made / "films").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / "films" / path.name).read_bytes()

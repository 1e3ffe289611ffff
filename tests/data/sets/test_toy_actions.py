"""Toy actions show what their labels say, which only the order of frames tells."""

from __future__ import annotations

import csv
from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest

from attncli.data.sets.toy_actions import ACTIONS, FRAMES, ToyActionSizes, film_of, make_toy_actions
from attncli.data.sets.toy_films import SIDE
from attncli.sources.video.files import film_at

SIZES = ToyActionSizes(train=23, dev=10, test=20)
BOTH_WAYS = ("jumps", "swings")
PAIRS = [("approaches", "leaves"), ("opens", "closes"), ("turns left", "turns right"), ("grows", "shrinks")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy") / "new"
    make_toy_actions(folder, SIZES, seed=3)
    return folder


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "films.tsv").open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def shown(path: Path) -> list[np.ndarray]:
    """Return for each frame where it differs from its corner, which is the background."""
    film = film_at(path, frame_height=None, frames_per_second=10.0)
    frames = [np.asarray(frame.image()).astype(int) for frame in film.frames()]
    return [np.abs(frame - frame[0, 0]).sum(-1) > 60 for frame in frames]


def test_every_film_has_a_row_and_every_action_is_as_frequent(made: Path) -> None:
    found = rows(made)
    assert {row["film"] for row in found} == {path.name for path in (made / "films").iterdir()}
    assert Counter(row["split"] for row in found) == {"train": 23, "dev": 10, "test": 20}
    assert Counter(row["action"] for row in found if row["split"] == "test") == dict.fromkeys(ACTIONS, 2)
    for row in found:
        assert row["kind"] == ("both ways" if row["action"] in BOTH_WAYS else "one way")


def test_the_pixels_of_a_film_do_what_its_label_says(made: Path) -> None:
    more = {"grows": 1, "shrinks": -1, "opens": -1, "closes": 1}
    farther = {"approaches": -1, "leaves": 1}
    seen = set()
    for row in rows(made):
        frames, action = shown(made / "films" / row["film"]), row["action"]
        assert len(frames) == FRAMES, "no frames are joined"
        first, last = frames[0], frames[-1]
        if action in more:
            assert np.sign(last.sum() - first.sum()) == more[action]
        elif action in farther:
            assert np.sign(_width(last) - _width(first)) == farther[action]
        elif action.startswith("turns"):
            turns = [_cross(one, other) for one, other in pairwise(map(_direction, frames))]
            # Down the frame y grows, so that a positive turn goes with the clock.
            assert sum(turns) > 0 if action == "turns right" else sum(turns) < 0
        seen.add(action)
    assert seen == set(ACTIONS)


def _width(frame: np.ndarray) -> float:
    """Return the farthest that two pixels of `frame` lie apart."""
    places = np.argwhere(frame)
    return float(np.sqrt(((places[:, None] - places) ** 2).sum(-1)).max())


def _direction(frame: np.ndarray) -> np.ndarray:
    """Return across and down, the direction of the longest extent of `frame`, either way round."""
    places = np.argwhere(frame)[:, ::-1]
    _, vectors = np.linalg.eigh(np.cov(places.T))
    direction: np.ndarray = vectors[:, -1]
    return direction


def _cross(one: np.ndarray, other: np.ndarray) -> float:
    """Return how far the line `other` is turned from the line `one`, by less than a right angle, as a sine."""
    other = other * np.sign(one @ other)
    return float(one[0] * other[1] - one[1] * other[0])


@pytest.mark.parametrize(("action", "back"), PAIRS)
def test_both_actions_of_a_pair_have_the_same_frames_in_the_reverse_order(action: str, back: str) -> None:
    for seed in range(5):
        assert film_of(Random(seed), action) == film_of(Random(seed), back)[::-1]


@pytest.mark.parametrize("action", BOTH_WAYS)
def test_what_goes_both_ways_looks_alike_backwards(action: str) -> None:
    random = Random(7)
    films = [film_of(random, action) for _ in range(3000)]
    middles = np.array([[np.mean(picture[-1].corners, 0) for picture in film] for film in films])  # [films, frames, 2]
    np.testing.assert_allclose(middles.mean(0), middles.mean(0)[::-1], atol=0.4)
    steps = np.diff(middles, axis=1)
    np.testing.assert_allclose(steps.std(0), steps.std(0)[::-1], rtol=0.1)


def test_everything_stays_within_the_frame() -> None:
    random = Random(5)
    for action in ACTIONS:
        for _ in range(40):
            corners = [corner for picture in film_of(random, action) for drawn in picture for corner in drawn.corners]
            assert np.min(corners) >= 0, action
            assert np.max(corners) <= SIDE, action


def test_equal_seeds_give_equal_files(made: Path, tmp_path: Path) -> None:
    make_toy_actions(tmp_path / "again", SIZES, seed=3)
    for path in (made / "films").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / "films" / path.name).read_bytes()

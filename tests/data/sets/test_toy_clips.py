"""Toy clips show what their captions say, and single frames do not give the motion away."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest

from attncli.data.sets.toy_clips import FRAMES, MOTIONS, ToyClipSizes, make_toy_clips, motion_of
from attncli.data.sets.toy_films import SIDE
from attncli.sources.video.files import film_at

SIZES = ToyClipSizes(train=14, dev=6, test=12)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy") / "new"
    make_toy_clips(folder, SIZES, seed=3)
    return folder


def captions(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "captions.jsonl").read_text().splitlines()]


def test_every_clip_has_a_caption_and_every_motion_is_as_frequent(made: Path) -> None:
    found = captions(made)
    assert {each["image"] for each in found} == {path.name for path in (made / "films").iterdir()}
    assert Counter(each["split"] for each in found) == {"train": 14, "dev": 6, "test": 12}
    motions = Counter(each["captions"][0].split(maxsplit=3)[3] for each in found if each["split"] == "test")  # type: ignore[index]
    assert motions == dict.fromkeys(MOTIONS, 2)


def test_the_pixels_of_a_clip_do_what_its_caption_says(made: Path) -> None:
    for each in captions(made):
        film = film_at(made / "films" / str(each["image"]), frame_height=None, frames_per_second=10.0)
        frames = [np.asarray(frame.image()).astype(int) for frame in film.frames()]
        assert len(frames) == FRAMES
        (first, last), motion = ([_box(frames[at]) for at in (0, -1)], str(each["captions"][0]))  # type: ignore[index]
        if "moves" in motion:
            across, down = MOTIONS[motion.split(maxsplit=3)[3]]
            assert np.sign(last[0] - first[0]) == across
            assert np.sign(last[1] - first[1]) == down
        else:
            assert (last[2] > first[2]) == motion.endswith("grows")


def _box(frame: np.ndarray) -> tuple[float, float, int]:
    """Return the middle of what differs from the corner, rounded to pixels, and its area."""
    rows, columns = np.nonzero(np.abs(frame - frame[0, 0]).sum(-1) > 60)
    return round(columns.mean()), round(rows.mean()), len(rows)


def test_shapes_stay_within_the_frame() -> None:
    random = Random(5)
    for motion in MOTIONS:
        for _ in range(50):
            for drawn in motion_of(random, motion):
                left, top, right, bottom = drawn.box
                assert min(left, top) >= 0
                assert max(right, bottom) <= SIDE


@pytest.mark.parametrize(("motion", "back"), [("moves left", "moves right"), ("grows", "shrinks")])
def test_frames_of_a_clip_are_as_those_of_the_reverse(motion: str, back: str) -> None:
    def means(motion: str) -> np.ndarray:
        random = Random(7)
        clips = [list(motion_of(random, motion)) for _ in range(3000)]
        found: np.ndarray = np.array([[[each.x, each.y, each.radius] for each in clip] for clip in clips]).mean(0)
        return found

    np.testing.assert_allclose(means(motion), means(back)[::-1], atol=0.35)


def test_equal_seeds_give_equal_files(made: Path, tmp_path: Path) -> None:
    make_toy_clips(tmp_path / "again", SIZES, seed=3)
    for path in (made / "films").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / "films" / path.name).read_bytes()

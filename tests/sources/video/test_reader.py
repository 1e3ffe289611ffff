"""Films are read as squares, and all frames of one are augmented alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import films
import numpy as np
import pytest
from PIL import Image

from attncli.config.sources.images import Augmentation
from attncli.data.direction import Backwards
from attncli.sources.images.placement import place, place_at_random
from attncli.sources.video.reader import FilmReader


def test_frames_are_placed_as_images_are(tmp_path: Path) -> None:
    section: Any = films.configured().model.encoder
    frames = films.noise(9)
    path = films.write_animation(tmp_path / "a.webp", frames)
    expected = [place((12, 10), section.frame.preprocessing).apply(frames[at]) for at in (1, 3, 5, 7)]
    assert np.array_equal(FilmReader(section).read(str(path)).frames, expected)


def test_a_film_lasts_as_long_as_its_frames(tmp_path: Path) -> None:
    section: Any = films.configured().model.encoder
    for number, frame in enumerate(films.noise(8)):
        frame.save(tmp_path / f"{number}.png")
    reader = FilmReader(section)
    item = reader.read(str(tmp_path))
    # Four of eight frames at 25 a second.
    assert len(item.frames) == 4
    assert reader.places(item).duration == pytest.approx(0.32)


def test_frames_of_a_film_are_cropped_and_mirrored_alike(tmp_path: Path) -> None:
    section: Any = films.configured().model.encoder
    still = films.noise(1)[0]
    for number in range(4):
        still.save(tmp_path / f"{number}.png")
    reader = FilmReader(section, Augmentation(flip=True, smallest_crop=0.5))
    seen = [reader.read(str(tmp_path), seed=[7, at]).frames for at in range(6)]
    assert all(np.array_equal(film[0], frame) for film in seen for frame in film)
    assert len({film.tobytes() for film in seen}) > 3


def test_what_a_frame_shows_does_not_decide_how_it_is_augmented(tmp_path: Path) -> None:
    section: Any = films.configured().model.encoder
    frames, augmentation = films.noise(4), Augmentation(flip=True, smallest_crop=0.5)
    path = films.write_animation(tmp_path / "a.webp", frames)
    for at in range(4):
        drawn = place_at_random((12, 10), section.frame.preprocessing, augmentation, np.random.default_rng([7, at]))
        seen = FilmReader(section, augmentation).read(str(path), seed=[7, at]).frames
        assert np.array_equal(seen, [drawn.apply(frame) for frame in frames])


def test_frames_of_several_sizes_become_one(tmp_path: Path) -> None:
    for number, size in enumerate(((12, 10), (7, 30))):
        Image.new("RGB", size, "red").save(tmp_path / f"{number}.png")
    section: Any = films.configured().model.encoder
    assert FilmReader(section).read(str(tmp_path)).frames.shape == (2, 8, 8, 3)


def test_a_film_is_read_backwards_frame_by_frame(tmp_path: Path) -> None:
    section: Any = films.configured().model.encoder
    path = films.write_animation(tmp_path / "a.webp", films.noise(9))
    backwards = FilmReader(section).read(Backwards(path))
    assert np.array_equal(backwards.frames, FilmReader(section).read(str(path)).frames[::-1])


def test_a_position_lasts_from_one_frame_that_is_read_to_the_next(tmp_path: Path) -> None:
    section: Any = films.configured().model.encoder
    path = films.write_animation(tmp_path / "a.webp", films.noise(8), milliseconds=50)
    reader = FilmReader(section)
    assert reader.places(reader.read(str(path))).seconds == pytest.approx(8 * 0.05 / 4)

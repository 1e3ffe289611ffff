"""Reads films in the form their encoder takes: squares of one size, of the frames that are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from attncli.config.sources.images import Augmentation
from attncli.config.sources.video import Frames
from attncli.data.columns import Array, Places, Reader
from attncli.data.direction import is_backwards
from attncli.sources.images.batch import Pixels
from attncli.sources.images.placement import place, place_at_random
from attncli.sources.video.batch import Films, pack_films
from attncli.sources.video.files import Film, film_at
from attncli.sources.video.sampling import Sampling


@dataclass(frozen=True)
class ReadFilm:
    """The frames of a film that are read."""

    frames: Array  # squares [T, size, size, 3] uint8
    seconds: float  # from one to the next


@dataclass(frozen=True)
class FilmReader(Reader[ReadFilm]):
    """Reads files as squares."""

    section: Frames
    augmentation: Augmentation | None = None

    ahead = 32
    on_threads = True

    def read(self, cell: str, *, seed: Sequence[int] | None = None) -> ReadFilm:
        """Return the film in `cell`, its frames augmented alike as `seed` decides; without one, as they are.

        Of one that is played backwards these are the same frames, from the last to the first.
        """
        preprocessing = self.section.frame.preprocessing

        def square(image: Image.Image) -> Array:
            if seed is None or self.augmentation is None or self.augmentation.changes_nothing:
                return place(image.size, preprocessing).apply(image)
            # From the same draws for every frame: what jumps in a film means something.
            generator = np.random.default_rng(list(seed))
            return place_at_random(image.size, preprocessing, self.augmentation, generator).apply(image)

        taken = sampling_of(self.section).taken(opened(cell, self.section), square, name=cell)
        return ReadFilm(np.stack(taken.frames[::-1] if is_backwards(cell) else taken.frames), taken.seconds)

    def pack(self, items: Sequence[ReadFilm]) -> Films[Pixels]:
        """Return the films as one batch."""
        return pack_films([item.frames for item in items])

    def length(self, item: ReadFilm) -> int:
        """Return the number of frames."""
        return len(item.frames)

    def places(self, item: ReadFilm) -> Places:
        """Return how long a frame stands for the film, and how long that lasts."""
        return Places(seconds=item.seconds, duration=len(item.frames) * item.seconds)


def opened(cell: str, section: Frames) -> Film:
    """Return the film in `cell`, of the form that `section` says."""
    return film_at(Path(cell), frame_height=section.frame_height, frames_per_second=section.frames_per_second)


def sampling_of(section: Frames) -> Sampling:
    """Return which frames `section` reads."""
    return Sampling(section.frames_read, section.rate, section.maximum_frames)

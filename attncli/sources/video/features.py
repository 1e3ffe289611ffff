"""Features of the frames of films, which a fixed network over images makes once; they are kept as those of images are.

T frames of a film that are read, N frames of all films.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np

from attncli.config.sources.video import Frames
from attncli.data.cache import fingerprint, key_of
from attncli.data.columns import Array, Seeds
from attncli.errors import DataError
from attncli.files.reading import is_folder
from attncli.machine.progress import progress
from attncli.sources.images.batch import Features
from attncli.sources.images.features import FeatureStore, StoredFeatures
from attncli.sources.video.batch import Films, FilmShape
from attncli.sources.video.files import FrameFolder
from attncli.sources.video.reader import FilmReader

Encode = Callable[[Sequence[Array]], Features]  # of squares
_TOGETHER = 32
# What decides which frames of a film are read.
_OF_READING = ("count", "rate", "frame_height", "frames_per_second")


@dataclass(frozen=True)
class KeptFilms:
    """The features of films in a `store` of images, one row for each frame that is read.

    A row goes by the fingerprint of the film and the number of the frame. Those of a film are added from its last frame
    to its first, so that a film of which the first is there is there as a whole.
    """

    store: FeatureStore
    section: Frames
    sums: dict[Path, str]  # fingerprints of films and of their frames; also the store's

    def lengths(self, cells: Sequence[str]) -> dict[str, int]:
        """Return T of those films among `cells` that are kept; others are left out."""
        firsts: dict[str, Path] = {}
        for cell in cells:
            with suppress(DataError):  # of a file that cannot be read, which its reader reports
                firsts[cell] = self._frame(cell, 0)
        missing = set(self.store.missing(list(firsts.values())))
        whole = [cell for cell, first in firsts.items() if first not in missing]
        most = self.section.frames_read or self.section.maximum_frames
        frames = {cell: [self._frame(cell, at) for at in range(most)] for cell in whole}
        missing = set(self.store.missing([each for of_film in frames.values() for each in of_film]))
        return {cell: sum(each not in missing for each in of_film) for cell, of_film in frames.items()}

    def features(self, cells: Sequence[str], lengths: Sequence[int], encode: Encode) -> StoredFeatures:
        """Return the features [N, ...] of films, each from its last frame to its first; `encode` makes those.

        They are those of the film, whichever way a cell plays it.
        """
        films = [str(cell) for cell in cells]
        frames = [(film, at) for film, length in zip(films, lengths, strict=True) for at in reversed(range(length))]
        named = {self._frame(film, at): (film, at) for film, at in frames}
        reader = FilmReader(self.section)
        read: dict[str, Array] = {}  # the last film alone: the frames of one may be in two batches

        def compute(paths: Sequence[Path]) -> Features:
            squares: list[Array] = []
            for film, group in groupby((named[path] for path in paths), key=lambda frame: frame[0]):
                if film not in read:
                    found = reader.read(film).frames
                    read.clear()
                    read[film] = found
                squares += [read[film][at] for _, at in group]
            return encode(squares)

        paths = [self._frame(film, at) for film, at in frames]
        with progress(len(set(self.store.missing(paths))), " frames") as advance:
            return self.store.features(paths, compute, batch=_TOGETHER, progress=advance)

    def _frame(self, cell: str, at: int) -> Path:
        """Return a name for a frame, by which the store finds its fingerprint."""
        film, name = Path(cell), Path(f"{cell}#{at}")
        if name not in self.sums:
            if film not in self.sums:
                self.sums[film] = _fingerprint(film)
            reading = self.section.model_dump(include=set(_OF_READING))
            self.sums[name] = hashlib.sha256(f"{self.sums[film]} {key_of(reading)} {at}".encode()).hexdigest()
        return name


def _fingerprint(film: Path) -> str:
    """Return the fingerprint of the content of a file, or of the frames in a folder."""
    if not is_folder(film):
        return fingerprint(film)
    frames = FrameFolder(film, frames_per_second=1.0).images()
    return hashlib.sha256(" ".join(fingerprint(path) for path in frames).encode()).hexdigest()


@dataclass(frozen=True)
class FilmColumn:
    """Films as features that were computed earlier; in training half of them, at random, are mirrored if flipping."""

    lengths: Array  # [films] int32
    backwards: Array  # [films] bool, those that are played from the last frame to the first
    plain: StoredFeatures
    mirrored: StoredFeatures | None

    def start(self, rows: Array, seeds: Seeds | None) -> Callable[[], Films[Features]]:
        """Return a function that gives the features of the films `rows` [B]."""
        return partial(self._read, rows, seeds)

    def _read(self, rows: Array, seeds: Seeds | None) -> Films[Features]:
        ends = np.cumsum(self.lengths)
        # Stored from the last frame to the first.
        stored = [np.arange(ends[row] - self.lengths[row], ends[row]) for row in rows]
        frames = [each if self.backwards[row] else each[::-1] for each, row in zip(stored, rows, strict=True)]
        read = self.plain.batch(np.concatenate(frames))
        if self.mirrored is not None and seeds is not None:
            drawn = [np.random.default_rng(list(seed)).random() < 0.5 for seed in seeds]
            at = np.flatnonzero(np.repeat(drawn, [len(each) for each in frames]))
            others = self.mirrored.batch(np.concatenate(frames)[at])
            read.regions[at], read.pooled[at] = others.regions, others.pooled
        return Films(read, FilmShape.of([int(self.lengths[row]) for row in rows]))


def without_regions(features: Features) -> Features:
    """Return the pooled vectors of `features` alone."""
    return Features(features.regions[:, :0], features.pooled, (0, 0))

"""Reads recordings in the form their encoder takes: frames of features, masked in training.

F frames, M features of a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from attncli.data.columns import Places, Reader
from attncli.data.direction import is_backwards
from attncli.errors import DataError
from attncli.sources.audio.batch import Frames, pad_frames
from attncli.sources.audio.features import LogMelEnergies, Masks, normalised, with_differences
from attncli.sources.audio.files import read_matrix, read_recording
from attncli.sources.audio.kept import KeptFeatures

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SoundFeatures:
    """Features of files of sound."""

    energies: LogMelEnergies
    rate: int
    longest: float  # seconds

    def __call__(self, path: Path) -> Array:
        """Return the features [F, M] of the sound in `path`."""
        found = read_recording(path, rate=self.rate, longest=self.longest)
        features = self.energies(found.samples)
        if not len(features):
            raise DataError(
                f"{path}: {found.seconds:.3f} s, shorter than a frame (model.encoder.features.window: "
                f"{self.energies.window / self.rate:g} s)"
            )
        return features


@dataclass(frozen=True)
class MatrixFeatures:
    """Features in files of matrices."""

    size: int
    most: int  # frames

    def __call__(self, path: Path) -> Array:
        """Return the features [F, M] in `path`."""
        return read_matrix(path, size=self.size, most=self.most)


@dataclass(frozen=True)
class RecordingReader(Reader[Array]):
    """Reads files as features [F, M] of frames."""

    features: Callable[[Path], Array]
    normalises: bool
    differences: int
    frames_of_position: int
    seconds_of_position: float
    masks: Masks | None = None
    kept: KeptFeatures | None = None

    ahead = 256
    on_threads = True

    def read(self, cell: str, *, seed: Sequence[int] | None = None) -> Array:
        """Return the features of the recording in the file `cell`, masked as `seed` decides, or not without one.

        Those of one that is played backwards begin with its last frame.
        """
        path = Path(cell)
        found = self._plain(path) if self.kept is None else self.kept.get(path, self._plain)
        if seed is not None and self.masks is not None:
            found = self.masks.over(found, seed)
        return with_differences(found[::-1].copy() if is_backwards(cell) else found, self.differences)

    def _plain(self, path: Path) -> Array:
        found = self.features(path)
        return normalised(found) if self.normalises else found

    def pack(self, items: Sequence[Array]) -> Frames:
        """Return the recordings padded to the longest."""
        return pad_frames(items)

    def length(self, item: Array) -> int:
        """Return the number of positions that subsampling leaves."""
        return -(-len(item) // self.frames_of_position)

    def places(self, item: Array) -> Places:
        """Return how long a position lasts, and the recording."""
        hop = self.seconds_of_position / self.frames_of_position
        return Places(seconds=self.seconds_of_position, duration=len(item) * hop)

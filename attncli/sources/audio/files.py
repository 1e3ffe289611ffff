"""Reads recordings of any kind as samples of one channel and one rate, or says why a file cannot be read.

n samples, C channels.
"""

from __future__ import annotations

import importlib
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from attncli.errors import DataError
from attncli.files.arrays import archive, mapped
from attncli.files.reading import unreadable

INSTALL = "pip install 'attncli[audio]'"

MOST_CHANNELS = 32
_MOST_RATE = 768_000  # what the fastest converters give
_BLOCK = 1 << 16  # samples of each channel that are read at once
_UNKNOWN_LENGTH = 0xFFFFFFFF  # bytes; what programs write that cannot go back to the header of a pipe

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Recording:
    """Sound of one channel."""

    samples: Samples  # [n], from -1 to 1
    rate: int  # samples a second

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / self.rate


def read_recording(path: Path, *, rate: int, longest: float) -> Recording:
    """Return the recording in `path`, its channels averaged, resampled to `rate`.

    PCM in WAV is read without another library; other formats and rates need those of the extra `audio`. No more than
    `longest` seconds are ever in memory. Raises DataError, which names the file, for anything that is not a whole
    recording that can be used.
    """
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path}: an empty file, not a recording")
        with _opened(path) as sound:
            found = _read(path, sound, longest)
    except OSError as error:
        raise unreadable(path, error) from None
    if not found.samples.any():
        raise DataError(f"{path}: silent: every sample is 0")
    return found if found.rate == rate else _resampled(path, found, rate)


class _Sound(Protocol):
    """An open file of sound."""

    rate: int
    channels: int
    frames: int | None  # samples of each channel that its header promises; None if it does not tell

    def blocks(self) -> Iterator[npt.NDArray[Any]]:
        """Yield blocks [at most _BLOCK, C] of samples from -1 to 1."""


@contextmanager
def _opened(path: Path) -> Iterator[_Sound]:
    with path.open("rb") as file:
        start = file.read(12)
        file.seek(0)
        if start[:4] == b"RIFF" and start[8:12] == b"WAVE":
            try:
                pcm = wave.open(file)  # noqa: SIM115 - its file is closed below
            except (wave.Error, EOFError):
                pass  # a WAV file of another encoding, or a broken one, of which the library says what it is
            else:
                yield _Pcm(pcm)
                return
    library = _library("soundfile", f"{path}: only WAV files of PCM are read without the library soundfile")
    with _sound_file(path, library) as sound:
        yield _Decoded(sound)


class _Pcm:
    """PCM in a WAV file."""

    def __init__(self, file: wave.Wave_read):
        self._file, self.rate, self.channels = file, file.getframerate(), file.getnchannels()
        self._bytes = file.getsampwidth()
        promised = file.getnframes()
        is_told = promised < _UNKNOWN_LENGTH // max(1, self._bytes * self.channels)
        self.frames = promised if is_told else None

    def blocks(self) -> Iterator[npt.NDArray[Any]]:
        while block := self._file.readframes(_BLOCK):
            whole = len(block) // (self._bytes * self.channels) * self._bytes * self.channels
            if not whole:
                return
            yield _values(block[:whole], self._bytes).reshape(-1, self.channels)


def _values(block: bytes, width: int) -> npt.NDArray[Any]:
    """Return little-endian samples of `width` bytes from -1 to 1; those of one byte have no sign."""
    if width == 1:
        return (np.frombuffer(block, np.uint8).astype(np.float32) - 128) / 128
    if width == 3:
        wide = np.zeros((len(block) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(block, np.uint8).reshape(-1, 3)
        block, width = wide.tobytes(), 4
    return np.frombuffer(block, f"<i{width}").astype(np.float32) / float(1 << (8 * width - 1))


class _Decoded:
    """A file that the library soundfile decodes."""

    def __init__(self, file: Any):
        self._file, self.rate, self.channels = file, int(file.samplerate), int(file.channels)
        self.frames: int | None = int(file.frames)

    def blocks(self) -> Iterator[npt.NDArray[Any]]:
        while len(block := self._file.read(_BLOCK, dtype="float32", always_2d=True)):
            yield block


@contextmanager
def _sound_file(path: Path, library: Any) -> Iterator[Any]:
    try:
        with library.SoundFile(str(path)) as file:
            yield file
    except library.LibsndfileError as error:
        what = str(error.error_string).rstrip(".")
        raise DataError(
            f"{path}: not a recording of a known kind, or a damaged one: {what[:1].lower()}{what[1:]}"
        ) from None


def _read(path: Path, sound: _Sound, longest: float) -> Recording:
    if not 0 < sound.channels <= MOST_CHANNELS or not 0 < sound.rate <= _MOST_RATE:
        raise DataError(
            f"{path}: {sound.channels} channels at {sound.rate:,} Hz; a recording has at most {MOST_CHANNELS} at "
            f"{_MOST_RATE:,} Hz"
        )
    most = int(longest * sound.rate)
    if sound.frames is not None and sound.frames > most:
        raise _too_long(path, sound.frames / sound.rate, longest)
    blocks: list[Samples] = []
    count = 0
    for block in sound.blocks():
        if not np.isfinite(block).all():
            raise DataError(f"{path}: a damaged recording: it holds samples that are no numbers")
        blocks.append(block.mean(1, dtype=np.float32))
        count += len(block)
        if count > most:
            raise _too_long(path, count / sound.rate, longest)
    if sound.frames is not None and count < sound.frames:
        raise DataError(
            f"{path}: cut off: its header promises {sound.frames / sound.rate:.2f} s, but it holds "
            f"{count / sound.rate:.2f} s"
        )
    if not count:
        raise DataError(f"{path}: holds no samples")
    return Recording(np.concatenate(blocks), sound.rate)


def _too_long(path: Path, seconds: float, longest: float) -> DataError:
    return DataError(
        f"{path}: {seconds:,.1f} s or more, but model.encoder.maximum_seconds is {longest:g}; cut it into parts"
    )


def _resampled(path: Path, found: Recording, rate: int) -> Recording:
    """Return `found` at another `rate`, low-pass filtered below half of the lower one."""
    library = _library("soxr", f"{path}: {found.rate:,} Hz, which only the library soxr can resample to {rate:,} Hz")
    return Recording(library.resample(found.samples, found.rate, rate).astype(np.float32), rate)


def _library(name: str, problem: str) -> Any:
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError where the shared library under it is missing
        raise DataError(f"{problem}, which cannot be imported ({error}); install it with: {INSTALL}") from None


def read_matrix(path: Path, *, size: int, most: int) -> npt.NDArray[np.float32]:
    """Return the features [frames, size] in the file `path`, `.npy` or `.npz` with one matrix.

    Raises DataError, which names the file, unless it holds that and no more than `most` frames.
    """
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path}: an empty file, not a matrix")
        found = _matrix(path)
    except OSError as error:
        raise unreadable(path, error) from None
    if found.ndim != 2 or found.dtype.kind not in "fiu":
        raise DataError(f"{path}: holds {_shape(found)} of {found.dtype}, not a matrix of numbers, a row per frame")
    if found.shape[1] != size:
        raise DataError(f"{path}: has {found.shape[1]} numbers a frame, but model.encoder.features.size is {size}")
    if not len(found):
        raise DataError(f"{path}: holds no frames")
    if len(found) > most:
        raise DataError(
            f"{path}: {len(found):,} frames, but model.encoder.maximum_seconds allows {most:,}; cut it into parts"
        )
    matrix = found.astype(np.float32)
    if not np.isfinite(matrix).all():
        raise DataError(f"{path}: holds values that are no finite numbers")
    return matrix


def _matrix(path: Path) -> npt.NDArray[Any]:
    """Return the array in `path`, `.npy` or `.npz`."""
    try:
        with path.open("rb") as file:
            is_archive = file.read(2) == b"PK"
        if not is_archive:
            return mapped(path)
        with archive(path) as opened:
            if len(opened.files) != 1:
                names = ", ".join(opened.files[:10])
                raise DataError(f"{path}: holds {len(opened.files)} arrays ({names}); a file has one matrix")
            found: npt.NDArray[Any] = opened[opened.files[0]]
            return found
    except DataError:
        raise
    except Exception as error:
        # On broken files numpy raises all kinds of errors: ValueError, BadZipFile, EOFError, tokenize's and others.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(f"{path}: not a matrix in NumPy's format (.npy or .npz): {error}") from None


def _shape(found: npt.NDArray[Any]) -> str:
    return f"{' × '.join(map(str, found.shape)) or 'one'} value{'s' if found.size != 1 else ''}"

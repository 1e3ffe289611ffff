"""Features of images on disk, memory-mapped: computed once per image, in half precision.

N images in the store, S regions, C channels of the map, P channels of the pooled vector.

A store is a folder for one network, layer and kind of preprocessing. A row of `features.f16` holds the regions and the
pooled vector of one image, end to end; line n of `pictures` has the fingerprint of the image of row n, and the checksum
of the row. The line is written after the row, and only rows with a line count: a killed process loses only its last
batch, and the next one continues.
"""

from __future__ import annotations

import fcntl
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from attncli.data.cache import DamagedError, fingerprint, key_of, read_description, write_description
from attncli.errors import DataError
from attncli.sources.images.batch import Features

FORMAT = 2
_ROWS, _NAMES, _SHAPE, _LOCK = "features.f16", "pictures", "store.json", "lock"
_LINE = re.compile(rb"(?P<name>[0-9a-f]{64}) (?P<sum>[0-9]{1,10})")
_LARGEST = 65504.0  # of half precision

Array = npt.NDArray[Any]
Compute = Callable[[Sequence[Path]], Features]


@dataclass(frozen=True)
class StoredFeatures:
    """The features of chosen images, read from disk on demand."""

    rows: Array  # [N, S * C + P] float16, memory-mapped
    chosen: Array  # the row of each chosen image
    grid: tuple[int, int]
    channels: int  # C

    def __len__(self) -> int:
        return len(self.chosen)

    def batch(self, indices: Array) -> Features:
        """Return the features of the images `indices` [B], in that order and in half precision."""
        rows = torch.from_numpy(self.rows[self.chosen[indices]])
        regions = self.grid[0] * self.grid[1]
        joined = rows[:, : regions * self.channels].reshape(len(rows), regions, self.channels)
        return Features(joined, rows[:, regions * self.channels :], self.grid)


@dataclass(frozen=True)
class _Contents:
    """What a store holds."""

    grid: tuple[int, int]
    channels: int
    width: int  # of a row
    rows: int = 0  # those that count
    end: int = 0  # of their lines, in bytes
    places: dict[str, tuple[int, int]] = field(default_factory=dict)  # row and checksum by the fingerprint of the image

    def is_like(self, other: _Contents) -> bool:
        """Tell whether rows of `other` can follow these."""
        return (self.grid, self.channels, self.width) == (other.grid, other.channels, other.width)


class FeatureStore:
    """The features that one network makes of images.

    `facts` identify the network and its preprocessing. `sums` are fingerprints of files that are known already; those
    computed here are added to it.
    """

    def __init__(self, folder: Path, facts: dict[str, Any], *, sums: dict[Path, str] | None = None):
        self.folder = folder / key_of({"format": FORMAT, **facts})
        self._sums = {} if sums is None else sums

    def features(
        self, paths: Sequence[Path], compute: Compute, *, batch: int, progress: Callable[[int], object] | None = None
    ) -> StoredFeatures:
        """Return the features of the files `paths`; `compute` makes those not stored yet, `batch` at a time.

        `progress` is called with the number of images in each batch. Files of equal content share a row; a row that is
        not what was written is made again. Other processes that want to add to the store wait. Raises DataError if the
        store cannot be written.
        """
        wanted = {self._sum(path): path for path in paths}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._lacking(wanted):
                with self._locked():
                    # Looked at again, since another process may have added some meanwhile.
                    self._add({name: wanted[name] for name in self._lacking(wanted)}, compute, batch, progress)
            return self._opened([self._sum(path) for path in paths])
        except OSError as error:
            raise DataError(
                f"{self.folder}: the cache cannot be written: {error.strerror or error}; name another folder with "
                "data.cache"
            ) from None

    def missing(self, paths: Sequence[Path]) -> list[Path]:
        """Return those of the files `paths` that are not stored yet."""
        contents = self._contents()
        return [path for path in paths if contents is None or self._sum(path) not in contents.places]

    def _sum(self, path: Path) -> str:
        if path not in self._sums:
            self._sums[path] = fingerprint(path)
        return self._sums[path]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _contents(self) -> _Contents | None:
        """Return what the store holds, or None if there is nothing in it that can be used."""
        try:
            shape = read_description(self.folder / _SHAPE, format=FORMAT)
            whole = (self.folder / _ROWS).stat().st_size // (2 * shape["width"])
            # A killed process may leave a last line without its end; that image is computed again.
            lines = (self.folder / _NAMES).read_bytes().split(b"\n")[:-1][:whole]
        except (FileNotFoundError, DamagedError):
            return None
        places = {}
        for row, line in enumerate(lines):
            # A later row of an image takes the place of a damaged one.
            if match := _LINE.fullmatch(line):
                places[match["name"].decode()] = (row, int(match["sum"]))
        end = sum(len(line) + 1 for line in lines)
        return _Contents(tuple(shape["grid"]), shape["channels"], shape["width"], len(lines), end, places)

    def _mapped(self, contents: _Contents) -> Array:
        # Only rows that count: behind them another process may be writing, or a killed one may have been.
        shape = (contents.rows, contents.width)
        # A plain view of the map: slicing numpy's memmap class itself is several times slower.
        return np.asarray(np.memmap(self.folder / _ROWS, np.float16, mode="r", shape=shape))

    def _lacking(self, names: Iterable[str]) -> list[str]:
        """Return those of `names` that are not stored, or whose rows are not what was written."""
        contents = self._contents()
        if contents is None or not contents.rows:
            return list(names)
        rows = self._mapped(contents)
        found = ((name, contents.places.get(name)) for name in names)
        return [name for name, place in found if place is None or zlib.crc32(rows[place[0]].data) != place[1]]

    def _add(
        self, wanted: dict[str, Path], compute: Compute, batch: int, progress: Callable[[int], object] | None
    ) -> None:
        contents, names = self._contents(), list(wanted)
        for first in range(0, len(names), batch):
            together = names[first : first + batch]
            features = compute([wanted[name] for name in together])
            values = _joined(features)
            fresh = _Contents(features.grid, features.regions.shape[2], values.shape[1])
            if contents is None or not contents.is_like(fresh):
                self._begin(fresh)
                contents = fresh
            contents = self._append(contents, together, values)
            if progress is not None:
                progress(len(together))

    def _begin(self, fresh: _Contents) -> None:
        for name in (_ROWS, _NAMES):
            # A new file, not an emptied one: another process may have mapped the old one.
            (self.folder / name).unlink(missing_ok=True)
            (self.folder / name).touch()
        shape = {"grid": fresh.grid, "channels": fresh.channels, "width": fresh.width}
        write_description(self.folder / _SHAPE, shape, format=FORMAT)

    def _append(self, contents: _Contents, names: Sequence[str], values: Array) -> _Contents:
        with (self.folder / _ROWS).open("r+b") as file:
            # Overwrites what a killed process left behind the last row that counts.
            file.seek(contents.rows * values.shape[1] * values.itemsize)
            file.truncate()
            file.write(values.tobytes())
            file.flush()
            # The line must not reach the disk before the row it vouches for.
            os.fsync(file.fileno())
        lines = "".join(f"{name} {zlib.crc32(row.data)}\n" for name, row in zip(names, values, strict=True)).encode()
        with (self.folder / _NAMES).open("r+b") as file:
            file.seek(contents.end)
            file.truncate()
            file.write(lines)
        return replace(contents, rows=contents.rows + len(names), end=contents.end + len(lines))

    def _opened(self, names: Sequence[str]) -> StoredFeatures:
        contents = self._contents()
        assert contents is not None, "just filled"
        chosen = np.array([contents.places[name][0] for name in names], dtype=np.int64)
        return StoredFeatures(self._mapped(contents), chosen, contents.grid, contents.channels)


def _joined(features: Features) -> Array:
    """Return a row per image [B, S * C + P] in half precision; a value that would overflow is a DataError."""
    rows = torch.cat([features.regions.flatten(1), features.pooled], 1).float()
    largest = float(rows.abs().max())
    if not largest <= _LARGEST:
        raise DataError(
            f"a feature of {largest:g} does not fit into half precision; the network's weights may be wrong"
        )
    return rows.half().cpu().numpy()

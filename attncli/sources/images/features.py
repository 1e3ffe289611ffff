"""Features of images on disk, memory-mapped: computed once per image, in half precision.

N images in the store, S regions, C channels of the map, P channels of the pooled vector.

A store is a folder for one network, layer and kind of preprocessing. A row of `features.f16` holds the regions and the
pooled vector of one image, end to end; line n of `pictures` is the fingerprint of the image of row n. The line is
written after the row, and only rows with a line count: a killed process loses only its last batch, and the next one
continues.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from attncli.data.cache import fingerprint, key_of
from attncli.errors import DataError
from attncli.sources.images.batch import Features

FORMAT = 1
_ROWS, _NAMES, _SHAPE, _LOCK = "features.f16", "pictures", "store.json", "lock"
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
        joined = rows[:, : regions * self.channels].reshape(-1, regions, self.channels)
        return Features(joined, rows[:, regions * self.channels :], self.grid)


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

        `progress` is called with the number of images in each batch. Files of equal content share a row. Other
        processes that want to add to the store wait. Raises DataError if the store cannot be written.
        """
        names = [self._sum(path) for path in paths]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            known = self._known()
            if not set(names) <= set(known):
                with self._locked():
                    self._add(dict(zip(names, paths, strict=True)), compute, batch, progress or (lambda count: None))
                known = self._known()
            return self._opened(known, names)
        except OSError as error:
            raise DataError(
                f"{self.folder}: the cache cannot be written: {error.strerror or error}; name another folder with "
                "data.cache"
            ) from None

    def missing(self, paths: Sequence[Path]) -> list[Path]:
        """Return those of the files `paths` that are not stored yet."""
        known = self._known()
        return [path for path in paths if self._sum(path) not in known]

    def _sum(self, path: Path) -> str:
        if path not in self._sums:
            self._sums[path] = fingerprint(path)
        return self._sums[path]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _shape(self) -> dict[str, Any]:
        shape: dict[str, Any] = json.loads((self.folder / _SHAPE).read_text(encoding="utf-8"))
        return shape

    def _known(self) -> dict[str, int]:
        """Return the row of every stored image, by the fingerprint of its file."""
        try:
            width = int(self._shape()["width"])
            whole = (self.folder / _ROWS).stat().st_size // (2 * width)
            # A killed process may leave a last line without its end; that image is computed again.
            lines = (self.folder / _NAMES).read_bytes().split(b"\n")[:-1]
        except (FileNotFoundError, ValueError, KeyError):
            return {}
        return {line.decode(): row for row, line in enumerate(lines[:whole])}

    def _add(self, wanted: dict[str, Path], compute: Compute, batch: int, progress: Callable[[int], object]) -> None:
        known = self._known()
        missing = [name for name in wanted if name not in known]
        rows = len(known)
        for first in range(0, len(missing), batch):
            names = missing[first : first + batch]
            features = compute([wanted[name] for name in names])
            values = _joined(features)
            if rows == 0:
                self._begin(features, values.shape[1])
            self._append(names, values, rows)
            rows += len(names)
            progress(len(names))

    def _begin(self, features: Features, width: int) -> None:
        shape = {"grid": list(features.grid), "channels": features.regions.shape[2], "width": width}
        (self.folder / _SHAPE).write_text(json.dumps(shape) + "\n", encoding="utf-8")
        for name in (_ROWS, _NAMES):
            (self.folder / name).write_bytes(b"")

    def _append(self, names: Iterable[str], values: Array, rows: int) -> None:
        with (self.folder / _ROWS).open("r+b") as file:
            # Overwrites what a killed process left behind the last row that counts.
            file.seek(rows * values.shape[1] * values.itemsize)
            file.truncate()
            file.write(values.tobytes())
            file.flush()
            # The line must not reach the disk before the row it vouches for.
            os.fsync(file.fileno())
        lines = (self.folder / _NAMES).read_bytes().split(b"\n")[:rows]
        with (self.folder / _NAMES).open("r+b") as file:
            file.seek(sum(len(line) + 1 for line in lines))
            file.truncate()
            file.write("".join(f"{name}\n" for name in names).encode())

    def _opened(self, known: dict[str, int], names: Sequence[str]) -> StoredFeatures:
        shape = self._shape()
        # Only whole rows: behind them another process may be writing, or a killed one may have been.
        whole = (self.folder / _ROWS).stat().st_size // (2 * shape["width"])
        # A plain view of the map: slicing numpy's memmap class itself is several times slower.
        rows = np.asarray(np.memmap(self.folder / _ROWS, np.float16, mode="r", shape=(whole, shape["width"])))
        chosen = np.array([known[name] for name in names], dtype=np.int64)
        return StoredFeatures(rows, chosen, (shape["grid"][0], shape["grid"][1]), shape["channels"])


def _joined(features: Features) -> Array:
    """Return a row per image [B, S * C + P] in half precision; a value that would overflow is a DataError."""
    rows = torch.cat([features.regions.flatten(1), features.pooled], 1).float()
    largest = float(rows.abs().max())
    if not largest <= _LARGEST:
        raise DataError(
            f"a feature of {largest:g} does not fit into half precision; the network's weights may be wrong"
        )
    return rows.half().cpu().numpy()

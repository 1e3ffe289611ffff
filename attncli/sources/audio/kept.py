"""Features of recordings on disk: computed once for each content and setting, in half precision.

A folder for each setting has a file for each recording, named by the fingerprint of its content. Files appear whole,
and the ZIP format has a checksum, so that one that is damaged is made again.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from attncli.data.cache import fingerprint, key_of
from attncli.errors import DataError
from attncli.files.arrays import archive
from attncli.files.writing import replacing

FORMAT = 1

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class KeptFeatures:
    """The features [F, M] of recordings, by their content.

    `sums` are fingerprints of files that are known already; those computed here are added to it.
    """

    folder: Path
    sums: dict[Path, str] = field(default_factory=dict)

    @classmethod
    def of(cls, cache: Path, facts: dict[str, Any], sums: dict[Path, str]) -> KeptFeatures:
        """Return what is kept in `cache` of the features that `facts` identify."""
        return cls(cache / "recordings" / key_of({"format": FORMAT, **facts}), sums)

    def get(self, path: Path, compute: Callable[[Path], Array]) -> Array:
        """Return the features of the recording `path`, which `compute` makes if they are not kept.

        Raises DataError if they cannot be written, or `path` cannot be read.
        """
        if path not in self.sums:
            self.sums[path] = fingerprint(path)
        name = self.sums[path]
        kept = self.folder / name[:2] / f"{name}.npz"  # few file systems like a folder of a million files
        found = _read(kept)
        if found is None:
            found = compute(path).astype(np.float16)
            self._write(kept, found)
        return found.astype(np.float32)

    def _write(self, path: Path, features: npt.NDArray[np.float16]) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as partial, partial.open("wb") as file:
                np.savez(file, features=features)
        except DataError:
            pass  # another thread or process is keeping the same
        except OSError as error:
            raise DataError(
                f"{self.folder}: the cache cannot be written: {error.strerror or error}; name another folder with "
                "data.cache"
            ) from None


def _read(path: Path) -> npt.NDArray[np.float16] | None:
    """Return the features in `path`; None if it is not there, or not what was written."""
    try:
        with archive(path) as opened:
            found: npt.NDArray[np.float16] = opened["features"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return found if found.dtype == np.float16 and found.ndim == 2 else None

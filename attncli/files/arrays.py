"""Arrays in NumPy's formats, opened from any thread.

NumPy parses the header of each as a Python literal, and CPython before 3.11.8 and 3.12.2 can fail with a SystemError
when two threads parse at once (github.com/python/cpython/issues/106905); so one thread at a time reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.npyio import NpzFile

_PARSING = Lock()


def mapped(path: Path) -> npt.NDArray[Any]:
    """Return the array in the `.npy` file `path`, mapped, so that its size is known before it is in memory.

    On broken headers NumPy raises all kinds of errors. Unlike `np.load`, it reads no pickles.
    """
    with _PARSING:
        found: npt.NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    return found


@contextmanager
def archive(path: Path) -> Iterator[NpzFile]:
    """Open the `.npz` file `path`, without pickles, for this thread alone until it is left.

    Each array in it has a header, which is parsed when the array is asked for.
    """
    # The file is opened here, since NumPy leaves one open that is no archive.
    with _PARSING, path.open("rb") as file, np.load(file, allow_pickle=False) as opened:
        yield opened

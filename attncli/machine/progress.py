"""A bar that shows how far a long piece of work has come."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(total: int, unit: str, *, shown: bool = True) -> Iterator[Callable[[int], object]]:
    """Yield what takes how many of `total` were done since; the bar is on standard error, where that is a terminal."""
    from tqdm import tqdm

    with tqdm(total=total, unit=unit, disable=not (shown and total and sys.stderr.isatty())) as bar:
        yield bar.update

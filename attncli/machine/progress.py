"""A progress bar for long work."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(total: int, unit: str, *, shown: bool = True) -> Iterator[Callable[[int], object]]:
    """Yield a function that adds to the count of what is done; the bar appears if standard error is a terminal."""
    from tqdm import tqdm

    with tqdm(total=total, unit=unit, disable=not (shown and total and sys.stderr.isatty())) as bar:
        yield bar.update

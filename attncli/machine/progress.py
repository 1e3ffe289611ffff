"""Progress bars on standard error, where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

Advance = Callable[[int], object]  # adds to the count of what is done

_wanted = True


def want_progress(wanted: bool) -> None:
    """Decide for this process whether progress is shown at all."""
    global _wanted
    _wanted = wanted


def wants_progress() -> bool:
    """Tell whether progress is wanted at all, as bars or as lines."""
    return _wanted


def shows_progress() -> bool:
    """Tell whether there are bars: where somebody sees them, and has not asked for quiet."""
    return _wanted and sys.stderr is not None and sys.stderr.isatty()


def no_progress(count: int) -> None:
    """Add `count` to nothing."""


@contextmanager
def progress(total: int | None, unit: str, *, what: str | None = None, shown: bool = True) -> Iterator[Advance]:
    """Yield a function that adds to the count of what is done, of `total`, while a bar shows it and the time left.

    Without a `total` there are the count and the rate alone. `unit` is what is counted, in the plural, and `what` says
    what is done with it. Nothing remains of the bar in the end.
    """
    if not (shown and shows_progress()) or total == 0:
        yield no_progress
        return
    from tqdm import tqdm

    with tqdm(
        total=total, desc=what, unit=f" {unit.strip()}", file=sys.stderr, miniters=1, dynamic_ncols=True, leave=False
    ) as bar:
        yield bar.update


@contextmanager
def beside_progress(stream: TextIO) -> Iterator[None]:
    """Take the bars off the terminal while something is written to `stream`, if that is a terminal."""
    shown = sys.modules.get("tqdm")
    if shown is None or not stream.isatty():
        yield
        return
    with shown.tqdm.external_write_mode():
        yield
        stream.flush()

"""Which frames of a film are read: so many evenly spread over it, or so many of each second.

T frames that are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy.typing as npt
from PIL import Image

from attncli.errors import DataError
from attncli.sources.video.files import Film, Frame

Array = npt.NDArray[Any]
_Timed = tuple[float, Array]
"""When a frame is shown, in seconds, and what was taken of it."""
_TOLERANCE = 1e-6  # seconds; times of frames are rounded
_SECONDS = 1.0  # that a frame lasts which is the only one


class Taken(NamedTuple):
    """What was taken of a film."""

    frames: list[Array]  # T
    seconds: float  # from one to the next, on average


@dataclass(frozen=True)
class Sampling:
    """So many frames of a film (`count`), or of each second (`rate`) but at most `most`."""

    count: int | None
    rate: float | None
    most: int

    def taken(self, film: Film, take: Callable[[Image.Image], Array], *, name: str) -> Taken:
        """Return what `take` makes of each of the T frames of `film` that are read, and how far apart they are.

        No other frame is kept in memory. Raises DataError, with the `name` of the film, if there are too many.
        """
        found = self._even(film, take) if self.rate is None else list(self._at_rate(film, take, name=name))
        if not found:
            raise DataError(f"{name}: no frame of it can be decoded")
        (first, _), (last, _) = found[0], found[-1]
        seconds = (last - first) / (len(found) - 1) if last > first else _SECONDS
        return Taken([frame for _, frame in found], seconds)

    def _even(self, film: Film, take: Callable[[Image.Image], Array]) -> list[_Timed]:
        assert self.count is not None, "the configuration is checked"
        expected = film.count()
        found, decoded = _at(even(self.count, of=expected), film, take)
        if decoded < expected and len(found) < min(self.count, expected):
            # What a file holds of a frame need not be decodable alone, such as the half of an interlaced one.
            found, _ = _at(even(self.count, of=decoded), film, take)
        return found

    def _at_rate(self, film: Film, take: Callable[[Image.Image], Array], *, name: str) -> Iterator[_Timed]:
        assert self.rate is not None
        for number, (seconds, image) in enumerate(_first_of_intervals(film, self.rate)):
            if number == self.most:
                raise DataError(
                    f"{name}: more than {self.most:,} frames at model.encoder.rate {self.rate:g}, the most that "
                    "model.encoder.maximum_frames allows; cut it into parts, or lower the rate"
                )
            yield seconds, take(image())


def even(count: int, *, of: int) -> list[int]:
    """Return which of `of` frames are in the middle of `count` equal parts of a film; all if there are not so many."""
    if of <= count:
        return list(range(of))
    return [(2 * part + 1) * of // (2 * count) for part in range(count)]


def _at(wanted: list[int], film: Film, take: Callable[[Image.Image], Array]) -> tuple[list[_Timed], int]:
    """Return what `take` makes of the `wanted` frames, and how many there were, at least up to the last of these."""
    chosen, decoded = set(wanted), 0
    found: list[_Timed] = []
    for number, frame in enumerate(film.frames()):
        decoded = number + 1
        if number in chosen:
            found.append((frame.seconds, take(frame.image())))
        if len(found) == len(wanted):
            break
    return found, decoded


def _first_of_intervals(film: Film, rate: float) -> Iterator[Frame]:
    """Yield the first frame in each interval of 1 / `rate` seconds that has one."""
    last, start = -1, None
    for frame in film.frames():
        start = frame.seconds if start is None else start
        interval = int((frame.seconds - start + _TOLERANCE) * rate)
        if interval > last:
            last = interval
            yield frame

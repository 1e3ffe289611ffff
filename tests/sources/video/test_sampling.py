"""Frames are read by count or by rate, and no others are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from attncli.errors import DataError
from attncli.sources.video.files import Film, Frame
from attncli.sources.video.sampling import Sampling, even


@dataclass(frozen=True)
class Counted(Film):
    """A film that counts the frames which are decoded, and shows the number of each."""

    times: list[float]
    decoded: list[int]
    promised: int | None = None

    def count(self) -> int:
        return self.promised or len(self.times)

    def frames(self) -> Iterator[Frame]:
        for number, seconds in enumerate(self.times):
            yield Frame(seconds, lambda number=number: self._image(number))  # type: ignore[misc]

    def _image(self, number: int) -> Image.Image:
        self.decoded.append(number)
        return Image.new("RGB", (1, 1), (number % 256, number // 256, 0))


def read(sampling: Sampling, film: Film) -> list[int]:
    taken = sampling.taken(film, np.asarray, name="a.mp4").frames
    return [int(pixel[0, 0, 0]) + 256 * int(pixel[0, 0, 1]) for pixel in taken]


@pytest.mark.parametrize(("count", "frames"), [(1, 7), (2, 7), (3, 10), (5, 6), (16, 100_000), (4, 4), (7, 3)])
def test_a_count_takes_the_middle_of_equal_parts(count: int, frames: int) -> None:
    if frames <= count:
        assert even(count, of=frames) == list(range(frames))
        return
    middles = [(part + 0.5) * frames / count for part in range(count)]
    assert even(count, of=frames) == [int(np.floor(middle)) for middle in middles]
    assert len(set(even(count, of=frames))) == count


def test_of_a_long_film_only_what_is_read_is_decoded_to_an_image() -> None:
    film = Counted([number / 25 for number in range(50_000)], [])
    assert read(Sampling(3, None, 9), film) == [8333, 25_000, 41_666] == film.decoded


def test_frames_are_spread_anew_where_a_file_holds_fewer_than_it_promises() -> None:
    film = Counted([number / 25 for number in range(10)], [], promised=20)
    assert read(Sampling(2, None, 9), film) == [2, 7]


def test_a_rate_takes_the_first_frame_of_each_interval() -> None:
    times = [3.0, 3.1, 3.24, 3.25, 3.5, 3.51, 4.1, 4.2]
    wanted = []
    for start in np.arange(0, 2, 0.25):
        wanted += [at for at, time in enumerate(times) if start <= time - 3 + 1e-6 < start + 0.25][:1]
    assert read(Sampling(None, 4.0, 9), Counted(times, [])) == wanted == [0, 3, 4, 6]


def test_a_rate_over_that_of_the_film_takes_each_frame_once() -> None:
    assert read(Sampling(None, 100.0, 9), Counted([0.0, 0.1, 0.2], [])) == [0, 1, 2]


def test_more_frames_than_may_be_read_are_reported_before_they_fill_the_memory() -> None:
    film = Counted([number / 25 for number in range(100_000)], [])
    with pytest.raises(DataError) as caught:
        read(Sampling(None, 25.0, 12), film)
    assert str(caught.value) == (
        "a.mp4: more than 12 frames at model.encoder.rate 25, the most that model.encoder.maximum_frames allows; cut "
        "it into parts, or lower the rate"
    )
    assert len(film.decoded) == 12


def test_a_film_of_which_nothing_can_be_decoded_is_named() -> None:
    with pytest.raises(DataError, match=r"^a\.mp4: no frame of it can be decoded$"):
        read(Sampling(None, 5.0, 9), Counted([], []))


@pytest.mark.parametrize(
    ("sampling", "times", "seconds"),
    [
        (Sampling(2, None, 9), [number / 25 for number in range(10)], 0.4 / 2),  # of 0.4 seconds
        (Sampling(16, None, 9), [number / 25 for number in range(10)], 0.04),
        (Sampling(None, 5.0, 9), [number / 25 for number in range(31)], 0.2),
        (Sampling(None, 100.0, 99), [number / 25 for number in range(31)], 0.04),
        (Sampling(2, None, 9), [5.0], 1.0),
    ],
)
def test_frames_lie_evenly_in_time(sampling: Sampling, times: list[float], seconds: float) -> None:
    assert sampling.taken(Counted(times, []), np.asarray, name="a.mp4").seconds == pytest.approx(seconds)

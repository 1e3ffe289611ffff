"""Short films of actions that only the order of their frames tells, and of some that look alike backwards.

Approaching played backwards is leaving, opening is closing, and so on; swinging and jumping stay what they are, so that
films played backwards (`attncli eval --reversed`) show what a model reads from their order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from attncli.data.sets.toy_films import SIDE, Drawn, Picture, bar, box, flickering, start_of, swinging, write_films
from attncli.data.sets.toy_shapes import COLOURS, SHAPES

FRAMES = 8
COLUMNS = ("film", "action", "kind", "split")
KINDS = ("one way", "both ways")


@dataclass(frozen=True)
class ToyActionSizes:
    """How many films to make."""

    train: int = 1_600
    dev: int = 160
    test: int = 400


def make_toy_actions(folder: Path, sizes: ToyActionSizes, *, seed: int) -> None:
    """Write `films/` and `films.tsv` into `folder`; equal seeds and sizes give equal files.

    A line of the table has a film, its action, whether that goes one way or both ways in time, and the split (train,
    dev or test). Raises DataError if the files cannot be written, or would replace or mix with other files (`filling`).
    """
    random = Random(seed)

    def made(number: int) -> tuple[list[Picture], list[int], tuple[str, str]]:
        action = ACTIONS[number % len(ACTIONS)]
        return film_of(random, action), flickering(random, FRAMES), (action, KINDS[action in _BOTH_WAYS])

    # Test comes first and train last, so that another number of training films does not change the test.
    write_films(folder, COLUMNS, {"test": sizes.test, "dev": sizes.dev, "train": sizes.train}, made)


def film_of(random: Random, action: str) -> list[Picture]:
    """Return what each frame of a film of `action` shows.

    Equal states of `random` give for both actions of a pair the same frames, in the reverse order.
    """
    if action in _BOTH_WAYS:
        return list(_BOTH_WAYS[action](random))
    pair = next(pair for pair in _ONE_WAY if action in pair)
    pictures = list(_ONE_WAY[pair](random))
    return pictures if action == pair[0] else pictures[::-1]


def _progress(random: Random) -> Iterator[float]:
    """Yield for each frame how much of an action is done: 0 at first, 1 at last, evenly more between two frames."""
    start, end = random.randint(0, 1), random.randint(FRAMES - 2, FRAMES - 1)
    for frame in range(FRAMES):
        yield min(1.0, max(0.0, (frame - start) / (end - start)))


def _approaching(random: Random) -> Iterator[Picture]:
    """A ball comes to a square."""
    of_goal, of_ball = random.sample(sorted(COLOURS), 2)
    far, near = random.uniform(13, 16), random.uniform(6.5, 7.5)
    angle = random.uniform(0, 2 * math.pi)
    across, down = math.cos(angle), math.sin(angle)
    x, y = start_of(random, far * across, 5), start_of(random, far * down, 5)
    for done in _progress(random):
        away = far + (near - far) * done
        ball = SHAPES["circle"](x + away * across, y + away * down, 2.5)
        yield [Drawn(of_goal, SHAPES["square"](x, y, 5.0)), Drawn(of_ball, ball)]


def _opening(random: Random) -> Iterator[Picture]:
    """The two wings of a door part."""
    colour, half, height = random.choice(sorted(COLOURS)), random.uniform(8, 11), random.uniform(8, 11)
    x, y = random.uniform(half + 1, SIDE - half - 1), random.uniform(height + 1, SIDE - height - 1)
    widest, narrowest = random.uniform(5, 6.5), random.uniform(0.3, 0.8)
    for done in _progress(random):
        gap = narrowest + (widest - narrowest) * done
        yield [
            Drawn(colour, box(x - half, y - height, x - gap, y + height)),
            Drawn(colour, box(x + gap, y - height, x + half, y + height)),
        ]


def _turning_left(random: Random) -> Iterator[Picture]:
    """A hand turns against the clock."""
    colour, length = random.choice(sorted(COLOURS)), random.uniform(9, 12)
    x, y = (random.uniform(length + 1, SIDE - length - 1) for _ in range(2))
    start, way = random.uniform(0, 2 * math.pi), random.uniform(0.5, 0.8) * math.pi
    for done in _progress(random):
        # Down the frame y grows, so that a growing angle turns with the clock.
        yield [Drawn(colour, bar(x, y, length, start - way * done))]


def _growing(random: Random) -> Iterator[Picture]:
    """A shape becomes larger."""
    colour, shape = random.choice(sorted(COLOURS)), random.choice(sorted(SHAPES))
    small, large = random.uniform(3, 4.5), random.uniform(7.5, 10)
    x, y = (random.uniform(large, SIDE - large) for _ in range(2))
    for done in _progress(random):
        yield [Drawn(colour, SHAPES[shape](x, y, small + (large - small) * done))]


def _jumping(random: Random) -> Iterator[Picture]:
    """A shape jumps up and lands."""
    colour, shape = random.choice(sorted(COLOURS)), random.choice(sorted(SHAPES))
    x, ground, height = random.uniform(6, SIDE - 6), random.uniform(24, 27), random.uniform(11, 16)
    highest, lasts = random.uniform(2.5, FRAMES - 3.5), random.uniform(2, 2.5)
    for frame in range(FRAMES):
        up = height * max(0.0, 1 - ((frame - highest) / lasts) ** 2)
        yield [Drawn(colour, SHAPES[shape](x, ground - up, 4.5))]


Draws = Callable[[Random], Iterator[Picture]]
_ONE_WAY: dict[tuple[str, str], Draws] = {
    ("approaches", "leaves"): _approaching,
    ("opens", "closes"): _opening,
    ("turns left", "turns right"): _turning_left,
    ("grows", "shrinks"): _growing,
}
_BOTH_WAYS: dict[str, Draws] = {"jumps": _jumping, "swings": partial(swinging, frames=FRAMES)}
ACTIONS = (*(action for pair in _ONE_WAY for action in pair), *_BOTH_WAYS)

"""Short films of motions that do not go backwards, and of some that look alike both ways.

A ball bounces lower each time, colours mix, a drop spreads, a candle burns down, something breaks: of their films one
can tell which way they are played. A pendulum and a wheel without loss are a control: nobody can, and a model that
could would have found another clue than time (Pickup et al. 2014, "Seeing the arrow of time"; Wei et al. 2018,
"Learning and using the arrow of time").
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

FRAMES = 12
COLUMNS = ("film", "kind", "reversibility", "split")
_GROUND = 29.0  # pixels from the top
_ACROSS, _GRAIN = 4, 7.4  # grains that mix, across and down, and pixels of each
_CHANGES = 16  # pairs of them that are chosen to change places between two frames


@dataclass(frozen=True)
class ToyArrowSizes:
    """How many films to make."""

    train: int = 1_400
    dev: int = 140
    test: int = 420


def make_toy_arrow_of_time(folder: Path, sizes: ToyArrowSizes, *, seed: int) -> None:
    """Write `films/` and `films.tsv` into `folder`; equal seeds and sizes give equal files.

    A line of the table has a film, its kind of motion, whether that is reversible or irreversible, and the split
    (train, dev or test). Raises DataError if the files cannot be written, or would replace or mix with other files
    (`filling`).
    """
    random, kinds = Random(seed), sorted(KINDS)

    def made(number: int) -> tuple[list[Picture], list[int], tuple[str, str]]:
        kind = kinds[number % len(kinds)]
        return film_of(random, kind), flickering(random, FRAMES), (kind, _reversibility(kind))

    # Test comes first and train last, so that another number of training films does not change the test.
    write_films(folder, COLUMNS, {"test": sizes.test, "dev": sizes.dev, "train": sizes.train}, made)


def _reversibility(kind: str) -> str:
    return "reversible" if kind in REVERSIBLE else "irreversible"


def film_of(random: Random, kind: str) -> list[Picture]:
    """Return what each frame of a film of `kind` shows, played forwards."""
    return list(KINDS[kind](random))


def _bouncing(random: Random) -> Iterator[Picture]:
    """A ball falls and bounces, lower each time."""
    colour, shape = random.choice(sorted(COLOURS)), random.choice(sorted(SHAPES))
    radius, height = random.uniform(2.5, 4), random.uniform(16, 21)
    falls, kept = random.uniform(2, 2.6), random.uniform(0.68, 0.8)  # frames of a fall; speed after a bounce
    start, way = random.uniform(0, 0.6 * falls), random.uniform(-14, 14)
    x = start_of(random, way, radius)
    for frame in range(FRAMES):
        up = _height_of_bounce(start + frame, height, falls, kept)
        yield [Drawn(colour, SHAPES[shape](x + way * frame / (FRAMES - 1), _GROUND - radius - up, radius))]


def _height_of_bounce(time: float, height: float, falls: float, kept: float) -> float:
    """Return how high a ball is above the ground that is dropped from `height` and reaches it after `falls`."""
    speed = 2 * height / falls  # at the ground
    gravity = speed / falls
    if time < falls:
        return height - gravity * time**2 / 2
    time -= falls
    while speed > 0.2:
        speed *= kept
        if time < 2 * speed / gravity:
            return speed * time - gravity * time**2 / 2
        time -= 2 * speed / gravity
    return 0.0


def _mixing(random: Random) -> Iterator[Picture]:
    """Grains of two colours lie apart and change places with their neighbours until they are mixed."""
    # One of them is light, so that they can be told apart, whichever the other is.
    colours = ["yellow", random.choice(sorted(set(COLOURS) - {"yellow"}))]
    random.shuffle(colours)
    lies_down = random.random() < 0.5
    left, top = (random.uniform(0.5, SIDE - _ACROSS * _GRAIN - 0.5) for _ in range(2))
    places = [(row, column) for row in range(_ACROSS) for column in range(_ACROSS)]
    grains = {(row, column): colours[(row if lies_down else column) >= _ACROSS // 2] for row, column in places}
    for _ in range(FRAMES):
        yield [
            Drawn(grains[place], SHAPES["circle"](left + (x + 0.5) * _GRAIN, top + (y + 0.5) * _GRAIN, 0.5 * _GRAIN))
            for place in places
            for y, x in (place,)
        ]
        for _ in range(_CHANGES):
            row, column = random.choice(places)
            other = random.choice([(row + 1, column), (row, column + 1)])
            if other in grains:
                grains[row, column], grains[other] = grains[other], grains[row, column]


def _spreading(random: Random) -> Iterator[Picture]:
    """A drop spreads and grows pale: its area grows evenly, and its amount of colour stays."""
    colour, small, large = random.choice(sorted(COLOURS)), random.uniform(2.5, 4), random.uniform(8, 11)
    x, y = (random.uniform(large + 1, SIDE - large - 1) for _ in range(2))
    for frame in range(FRAMES):
        area = small**2 + (large**2 - small**2) * frame / (FRAMES - 1)
        yield [Drawn(colour, SHAPES["circle"](x, y, math.sqrt(area)), max(0.3, small**2 / area))]


def _burning(random: Random) -> Iterator[Picture]:
    """A candle becomes shorter; its flame flickers."""
    colour, half, x = random.choice(sorted(COLOURS)), random.uniform(2, 4), random.uniform(7, SIDE - 7)
    ground, tall, burns = random.uniform(27, 31), random.uniform(13, 19), random.uniform(6, 10)
    flame = random.choice([other for other in ("red", "yellow") if other != colour])
    for frame in range(FRAMES):
        top = ground - tall + burns * frame / (FRAMES - 1)
        high, sway = random.uniform(4, 7), random.uniform(-1.5, 1.5)
        yield [
            Drawn(colour, box(x - half, top, x + half, ground)),
            Drawn(flame, [(x - 1.7, top - 1), (x + sway, top - high), (x + 1.7, top - 1), (x, top)]),
        ]


def _breaking(random: Random) -> Iterator[Picture]:
    """Something whole falls, and its parts fly off from where it hits the ground."""
    colour, radius = random.choice(sorted(COLOURS)), random.uniform(3.5, 5)
    height, falls = random.uniform(14, 20), random.uniform(3, 6)
    x, start = random.uniform(12, SIDE - 12), random.uniform(0, 0.5 * falls)
    parts = [(random.uniform(-2, 2), random.uniform(0.5, 3), random.choice(("square", "triangle"))) for _ in range(5)]
    for frame in range(FRAMES):
        after = start + frame - falls
        if after < 0:
            up = height * (1 - ((start + frame) / falls) ** 2)
            yield [Drawn(colour, SHAPES["square"](x, _GROUND - radius - up, radius))]
            continue
        yield [
            Drawn(colour, SHAPES[shape](_within(x + 8 * speed * (1 - 0.75**after)), _flown(jump, after), 0.45 * radius))
            for speed, jump, shape in parts
        ]


def _within(x: float) -> float:
    return min(SIDE - 3.0, max(3.0, x))


def _flown(jump: float, after: float) -> float:
    """Return how far from the top a part is that left the ground with the speed `jump`."""
    return _GROUND - 2 - max(0.0, jump * after - 0.6 * after**2)


def _turning(random: Random) -> Iterator[Picture]:
    """A wheel with one spoke turns evenly, to the left or to the right."""
    wheel, spoke = random.sample(sorted(COLOURS), 2)
    radius = random.uniform(8, 12)
    x, y = (random.uniform(radius + 1, SIDE - radius - 1) for _ in range(2))
    step = random.choice((-1, 1)) * random.uniform(0.25, 0.6)
    return turn(wheel, spoke, x, y, radius, step=step, phase=random.uniform(0, 2 * math.pi))


def turn(wheel: str, spoke: str, x: float, y: float, radius: float, *, step: float, phase: float) -> Iterator[Picture]:
    """Yield a wheel from the angle `phase` on, which a frame turns by `step`.

    Backwards it turns the other way from another angle; since both ways and all angles are as likely, so are a film and
    its reverse.
    """
    for frame in range(FRAMES):
        yield [
            Drawn(wheel, SHAPES["circle"](x, y, radius)),
            Drawn(spoke, bar(x, y, radius, phase + step * frame)),
        ]


KINDS: dict[str, Callable[[Random], Iterator[Picture]]] = {
    "bouncing": _bouncing,
    "breaking": _breaking,
    "burning": _burning,
    "mixing": _mixing,
    "spreading": _spreading,
    "swinging": partial(swinging, frames=FRAMES),
    "turning": _turning,
}
REVERSIBLE = ("swinging", "turning")
"""Those of which a film and its reverse are as likely."""

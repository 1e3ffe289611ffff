"""Small images of coloured shapes, which lie clearly beside or above each other; no two share a shape or a colour."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw

SIDE = 64  # pixels
MOST_OBJECTS = 3
# Images are drawn this many times larger and then reduced, which smooths the edges.
_FINENESS = 4
RADII = {"small": (5, 7), "large": (10, 12)}
COLOURS = {
    "red": (214, 39, 40),
    "green": (44, 150, 60),
    "blue": (31, 90, 200),
    "yellow": (240, 205, 30),
    "purple": (140, 60, 180),
    "black": (25, 25, 25),
}
_GAP = 3  # pixels between two objects, and from an object to the border
# How many times further apart two centres are along the axis that the caption names than along the other.
_CLEARLY = 1.3

Point = tuple[float, float]


def _polygon(x: float, y: float, radius: float, angles: list[float], shares: tuple[float, ...] = (1.0,)) -> list[Point]:
    """Return corners at `angles`, in turns from straight up; `shares` of the radius are taken in rotation."""
    return [
        (
            x + shares[at % len(shares)] * radius * math.sin(2 * math.pi * turn),
            y - shares[at % len(shares)] * radius * math.cos(2 * math.pi * turn),
        )
        for at, turn in enumerate(angles)
    ]


def _cross(x: float, y: float, radius: float) -> list[Point]:
    arm = radius / 3
    return [
        (x + across * arm, y + down * arm)
        for across, down in (
            *((-1, -3), (1, -3), (1, -1), (3, -1), (3, 1), (1, 1)),
            *((1, 3), (-1, 3), (-1, 1), (-3, 1), (-3, -1), (-1, -1)),
        )
    ]


def _even(corners: int, start: float = 0.0) -> list[float]:
    return [start + at / corners for at in range(corners)]


SHAPES: dict[str, Callable[[float, float, float], list[Point]]] = {
    "circle": lambda x, y, radius: _polygon(x, y, radius, _even(48)),
    "square": lambda x, y, radius: _polygon(x, y, radius, _even(4, 1 / 8)),
    "triangle": lambda x, y, radius: _polygon(x, y, radius, _even(3)),
    "star": lambda x, y, radius: _polygon(x, y, radius, _even(10), (1.0, 0.45)),
    "cross": _cross,
}


@dataclass(frozen=True)
class ToyObject:
    """One shape of an image."""

    size: str
    colour: str
    shape: str
    x: float  # of its centre, in pixels
    y: float
    radius: float

    @property
    def phrase(self) -> str:
        """What a caption calls it."""
        return f"a {self.size} {self.colour} {self.shape}"

    @property
    def corners(self) -> list[Point]:
        """The outline, in pixels."""
        return SHAPES[self.shape](self.x, self.y, self.radius)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom, in pixels."""
        across, down = zip(*self.corners, strict=True)
        return min(across), min(down), max(across), max(down)


def relation(one: ToyObject, other: ToyObject) -> str:
    """Return where `one` lies, seen from `other`."""
    if abs(one.x - other.x) > abs(one.y - other.y):
        return "left of" if one.x < other.x else "right of"
    return "above" if one.y < other.y else "below"


def scene(random: Random, count: int, *, sizes: Sequence[str] | None = None) -> list[ToyObject]:
    """Return `count` objects of different shapes and colours that are apart and lie clearly beside or above others.

    Their `sizes`, small or large, are random where they are None.
    """
    wanted: Sequence[str | None] = sizes or [None] * count
    while True:
        shapes, colours = random.sample(sorted(SHAPES), count), random.sample(sorted(COLOURS), count)
        objects = [_object(random, *facts) for facts in zip(shapes, colours, wanted, strict=True)]
        order = sorted(objects, key=lambda drawn: (drawn.x, drawn.y))
        neighbours = list(pairwise(order))
        apart = all(_apart(one, other) for at, one in enumerate(order) for other in order[at + 1 :])
        if apart and all(is_clear(one, other) for one, other in neighbours):
            return objects


def _object(random: Random, shape: str, colour: str, size: str | None) -> ToyObject:
    size = size or random.choice(sorted(RADII))
    radius = random.uniform(*RADII[size])
    x, y = (random.uniform(radius + _GAP, SIDE - radius - _GAP) for _ in range(2))
    return ToyObject(size, colour, shape, x, y, radius)


def _apart(one: ToyObject, other: ToyObject) -> bool:
    return math.hypot(one.x - other.x, one.y - other.y) > one.radius + other.radius + _GAP


def is_clear(one: ToyObject, other: ToyObject) -> bool:
    """Tell whether the `relation` of two objects is beyond doubt."""
    less, more = sorted((abs(one.x - other.x), abs(one.y - other.y)))
    return more > _CLEARLY * less


def draw(objects: list[ToyObject], random: Random, path: Path) -> None:
    """Write the image of a scene."""
    light = random.randint(215, 255)
    large = Image.new("RGB", (SIDE * _FINENESS, SIDE * _FINENESS), (light, light, light))
    pen = ImageDraw.Draw(large)
    for drawn in objects:
        red, green, blue = (min(255, max(0, part + random.randint(-20, 20))) for part in COLOURS[drawn.colour])
        pen.polygon([(x * _FINENESS, y * _FINENESS) for x, y in drawn.corners], fill=(red, green, blue))
    large.reduce(_FINENESS).save(path)

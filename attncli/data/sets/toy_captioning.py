"""Small images of coloured shapes, with captions that name the shapes and say how they lie to each other.

No two objects of an image share a shape or a colour, so `red` or `circle` in a caption means exactly one of them;
`objects.jsonl` says where that object is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw

from attncli.data.sets.filling import filling
from attncli.files.writing import open_output

SIDE = 64  # pixels
MOST_OBJECTS = 3
# Images are drawn this many times larger and then reduced, which smooths the edges.
_FINENESS = 4
_RADII = {"small": (5, 7), "large": (10, 12)}
_COLOURS = {
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


_SHAPES: dict[str, Callable[[float, float, float], list[Point]]] = {
    "circle": lambda x, y, radius: _polygon(x, y, radius, _even(48)),
    "square": lambda x, y, radius: _polygon(x, y, radius, _even(4, 1 / 8)),
    "triangle": lambda x, y, radius: _polygon(x, y, radius, _even(3)),
    "star": lambda x, y, radius: _polygon(x, y, radius, _even(10), (1.0, 0.45)),
    "cross": _cross,
}


@dataclass(frozen=True)
class ToyPictureSizes:
    """How many images to make."""

    train: int = 4_000
    dev: int = 200
    test: int = 400


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
        return _SHAPES[self.shape](self.x, self.y, self.radius)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom, in pixels."""
        across, down = zip(*self.corners, strict=True)
        return min(across), min(down), max(across), max(down)


def make_toy_captioning(folder: Path, sizes: ToyPictureSizes, *, seed: int) -> None:
    """Write `images/`, `captions.jsonl` and `objects.jsonl` into `folder`; equal seeds and sizes give equal files.

    A line of `captions.jsonl` has an image, its captions and its split (train, dev or test); a line of `objects.jsonl`
    has an image and its objects, each with the words that name it and its box (left, top, right, bottom). Raises
    DataError if the files cannot be written, or would replace or mix with other files (`filling`).
    """
    random = Random(seed)
    with (
        filling(folder, exactly=True) as aside,
        open_output(aside / "captions.jsonl") as captions,
        open_output(aside / "objects.jsonl") as boxes,
    ):
        (aside / "images").mkdir()
        # Test comes first and train last, so that another number of training images does not change the test.
        for split, count in (("test", sizes.test), ("dev", sizes.dev), ("train", sizes.train)):
            for number in range(1, count + 1):
                objects = _scene(random, 1 + number % MOST_OBJECTS)
                image = f"{split}-{number:05}.png"
                _draw(objects, random, aside / "images" / image)
                captions.write(json.dumps({"image": image, "captions": describe(objects), "split": split}) + "\n")
                boxes.write(json.dumps({"image": image, "objects": [_facts(each) for each in objects]}) + "\n")


def _facts(drawn: ToyObject) -> dict[str, object]:
    words = [drawn.size, drawn.colour, drawn.shape]
    return {"words": words, "box": [round(edge, 1) for edge in drawn.box]}


def describe(objects: list[ToyObject]) -> list[str]:
    """Return the captions of a scene, from left to right and back; one caption if there is only one object."""
    order = sorted(objects, key=lambda drawn: (drawn.x, drawn.y))
    return list(dict.fromkeys(" ".join(_chain(way)) for way in (order, order[::-1])))


def _chain(objects: list[ToyObject]) -> Iterator[str]:
    yield objects[0].phrase
    for before, after in pairwise(objects):
        yield from (_relation(before, after), after.phrase)


def _relation(one: ToyObject, other: ToyObject) -> str:
    if abs(one.x - other.x) > abs(one.y - other.y):
        return "left of" if one.x < other.x else "right of"
    return "above" if one.y < other.y else "below"


def _scene(random: Random, count: int) -> list[ToyObject]:
    """Return `count` objects of different shapes and colours that are apart and lie clearly beside or above others."""
    while True:
        shapes, colours = random.sample(sorted(_SHAPES), count), random.sample(sorted(_COLOURS), count)
        objects = [_object(random, shape, colour) for shape, colour in zip(shapes, colours, strict=True)]
        order = sorted(objects, key=lambda drawn: (drawn.x, drawn.y))
        neighbours = list(pairwise(order))
        apart = all(_apart(one, other) for at, one in enumerate(order) for other in order[at + 1 :])
        if apart and all(_clear(one, other) for one, other in neighbours):
            return objects


def _object(random: Random, shape: str, colour: str) -> ToyObject:
    size = random.choice(sorted(_RADII))
    radius = random.uniform(*_RADII[size])
    x, y = (random.uniform(radius + _GAP, SIDE - radius - _GAP) for _ in range(2))
    return ToyObject(size, colour, shape, x, y, radius)


def _apart(one: ToyObject, other: ToyObject) -> bool:
    return math.hypot(one.x - other.x, one.y - other.y) > one.radius + other.radius + _GAP


def _clear(one: ToyObject, other: ToyObject) -> bool:
    less, more = sorted((abs(one.x - other.x), abs(one.y - other.y)))
    return more > _CLEARLY * less


def _draw(objects: list[ToyObject], random: Random, path: Path) -> None:
    light = random.randint(215, 255)
    large = Image.new("RGB", (SIDE * _FINENESS, SIDE * _FINENESS), (light, light, light))
    pen = ImageDraw.Draw(large)
    for drawn in objects:
        red, green, blue = (min(255, max(0, part + random.randint(-20, 20))) for part in _COLOURS[drawn.colour])
        pen.polygon([(x * _FINENESS, y * _FINENESS) for x, y in drawn.corners], fill=(red, green, blue))
    large.reduce(_FINENESS).save(path)

"""How toy films are drawn and written: coloured areas over a light background, without loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from PIL import Image, ImageDraw

from attncli.data.sets.filling import filling
from attncli.data.sets.toy_shapes import COLOURS, SHAPES, Point
from attncli.files.writing import open_output

SIDE = 32  # pixels
MILLISECONDS = 100  # of a frame
_FINENESS = 4  # frames are drawn this many times larger and then reduced, which smooths the edges


class Drawn(NamedTuple):
    """An area of a frame in one colour."""

    colour: str
    corners: list[Point]  # in pixels
    strength: float = 1.0  # the share of the colour; the rest is the background


Picture = list[Drawn]
"""What is in a frame, from back to front."""


def bar(x: float, y: float, length: float, angle: float, *, half: float = 1.5) -> list[Point]:
    """Return the corners of a bar of width 2 * `half` from x, y in the direction of `angle`."""
    along, beside = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
    return [
        (x + far * along[0] + side * beside[0], y + far * along[1] + side * beside[1])
        for far, side in ((0, -half), (length, -half), (length, half), (0, half))
    ]


def box(left: float, top: float, right: float, bottom: float) -> list[Point]:
    """Return the corners of an upright rectangle."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def start_of(random: Random, way: float, margin: float) -> float:
    """Return from where along an axis both ends of a `way` are within the frame, a `margin` from its sides."""
    return random.uniform(margin + max(0.0, -way), SIDE - margin - max(0.0, way))


def swinging(random: Random, frames: int) -> Iterator[Picture]:
    """Yield a pendulum that swings without loss, in so many `frames`."""
    rod, bob = random.sample(sorted(COLOURS), 2)
    x, length, widest = random.uniform(14, 18), random.uniform(16, 22), random.uniform(0.4, 0.6)
    period, phase = random.uniform(5, 8), random.uniform(0, 2 * math.pi)
    return swing(rod, bob, x, length, widest, period=period, phase=phase, frames=frames)


def swing(
    rod: str, bob: str, x: float, length: float, widest: float, *, period: float, phase: float, frames: int
) -> Iterator[Picture]:
    """Yield a pendulum from `phase` on, in frames of which `period` are a swing to and fro.

    Backwards it is the same from another phase; since all phases are as likely, so are a film and its reverse.
    """
    for frame in range(frames):
        angle = math.pi / 2 + widest * math.sin(phase + 2 * math.pi * frame / period)
        end = x + length * math.cos(angle), 2 + length * math.sin(angle)
        yield [Drawn(rod, bar(x, 2, length, angle, half=0.6)), Drawn(bob, SHAPES["circle"](*end, 3.0))]


def flickering(random: Random, frames: int) -> list[int]:
    """Return the light of each of `frames`, of which no two are the same: files of films would join equal frames."""
    flicker = frames // 2
    light = random.randint(205, 254 - flicker)
    return random.sample(range(light - flicker, light + flicker + 1), frames)


def write_films(
    folder: Path,
    columns: Sequence[str],
    counts: Mapping[str, int],
    made: Callable[[int], tuple[Sequence[Picture], Sequence[int], Sequence[str]]],
) -> None:
    """Write `films/` and `films.tsv` into `folder`, so many films of each split as `counts` says, in its order.

    `made` returns pictures, lights and further cells for the number of a film in its split, from 1. A line of the table
    has the film, these cells and the split under `columns`. Raises DataError if the files cannot be written, or would
    replace or mix with other files (`filling`).
    """
    with filling(folder, exactly=True) as aside, open_output(aside / "films.tsv") as table:
        (aside / "films").mkdir()
        table.write("\t".join(columns) + "\n")
        for split, count in counts.items():
            for number in range(1, count + 1):
                name, (pictures, lights, cells) = f"{split}-{number:05}.webp", made(number)
                write_film(aside / "films" / name, pictures, lights)
                table.write("\t".join((name, *cells, split)) + "\n")


def write_film(path: Path, pictures: Sequence[Picture], lights: Sequence[int]) -> None:
    """Write a film with a frame for each of `pictures`, over a background of its light from 0 to 255."""
    first, *others = [_frame(picture, light) for picture, light in zip(pictures, lights, strict=True)]
    # Without loss: what compression leaves behind in later frames would tell the order of frames.
    first.save(path, save_all=True, append_images=others, duration=MILLISECONDS, lossless=True, minimize_size=False)


def _frame(picture: Picture, light: int) -> Image.Image:
    large = Image.new("RGB", (SIDE * _FINENESS, SIDE * _FINENESS), (light, light, light))
    pen = ImageDraw.Draw(large)
    for colour, corners, strength in picture:
        fill = tuple(round(light + (value - light) * strength) for value in COLOURS[colour])
        pen.polygon([(x * _FINENESS, y * _FINENESS) for x, y in corners], fill=fill)
    return large.reduce(_FINENESS)

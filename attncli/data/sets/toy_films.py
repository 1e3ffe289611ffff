"""How toy films are drawn and written: coloured areas over a light background, without loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from PIL import Image, ImageDraw

from attncli.data.sets.toy_shapes import COLOURS, Point

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


def flickering(random: Random, frames: int) -> list[int]:
    """Return the light of each of `frames`, of which no two are the same: files of films would join equal frames."""
    flicker = frames // 2
    light = random.randint(205, 254 - flicker)
    return random.sample(range(light - flicker, light + flicker + 1), frames)


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

"""Small images of one shape each, made from a seed: an autoencoder can learn what PCA cannot.

A filled circle, square or triangle of any place, size, rotation and colour lies on a dark background that brightens
from one side to the other. A dozen numbers describe an image, but moving a shape is not a linear change of its pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image, ImageDraw

from attncli.data.sets.filling import filling

SIDE = 32
_FINER = 4  # shapes are drawn this many times larger and then reduced, which smooths their edges
_CORNERS = (None, 4, 3)  # of a circle, a square and a triangle


@dataclass(frozen=True)
class ToyPictureSizes:
    """How many images to make."""

    train: int = 4_000
    dev: int = 500
    test: int = 500


def make_toy_pictures(folder: Path, sizes: ToyPictureSizes, *, seed: int) -> None:
    """Write `{train,dev,test}/NUMBER.png` into `folder`, 32 × 32 in colour; equal seeds and sizes give equal files.

    Raises DataError if they cannot be written, or would replace or mix with other files (`filling`).
    """
    random = Random(seed)
    with filling(folder, exactly=True) as aside:
        # Test comes first and train last, so that another number of training images does not change the test.
        for name, count in (("test", sizes.test), ("dev", sizes.dev), ("train", sizes.train)):
            (aside / name).mkdir()
            for number in range(count):
                _image(random).save(aside / name / f"{number:05d}.png")


def _image(random: Random) -> Image.Image:
    side = SIDE * _FINER
    image = Image.fromarray(_background(random, side))
    radius = side * random.uniform(0.14, 0.28)
    x, y = (random.uniform(radius, side - radius) for _ in range(2))
    corners = random.choice(_CORNERS)
    colour = tuple(random.randint(128, 255) for _ in range(3))
    draw = ImageDraw.Draw(image)
    if corners is None:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    else:
        draw.polygon(_polygon(x, y, radius, corners, turn=random.uniform(0, 2 * math.pi)), fill=colour)
    return image.resize((SIDE, SIDE), Image.Resampling.BOX)


def _background(random: Random, side: int) -> np.ndarray:
    """Return a dark colour that brightens along a random direction, [side, side, 3] uint8."""
    turn = random.uniform(0, 2 * math.pi)
    steps = (np.arange(side) + 0.5) / side - 0.5
    along = steps[None, :] * math.cos(turn) + steps[:, None] * math.sin(turn)  # from -0.71 to 0.71
    colour = np.array([random.uniform(20, 80) for _ in range(3)])
    return np.rint(np.clip(colour + 50 * random.random() * along[:, :, None], 0, 255)).astype(np.uint8)


def _polygon(x: float, y: float, radius: float, corners: int, *, turn: float) -> Sequence[tuple[float, float]]:
    angles = [turn + 2 * math.pi * corner / corners for corner in range(corners)]
    return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]

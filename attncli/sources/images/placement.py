"""Which part of an image an encoder sees, and where: maps pixels to the encoder, and weights back to the image.

W width, H height of the image. Lengths are in pixels of the upright image, from its upper left corner, and may be
fractions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from attncli.config.sources.images import Augmentation, Preprocessing

# Fills the bars of a padded image: the middle of the range, which normalisation brings close to 0.
GREY = 127

Array = npt.NDArray[Any]
Size = tuple[int, int]  # width, height


@dataclass(frozen=True)
class Box:
    """A rectangle."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """The extent from left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """The extent from top to bottom."""
        return self.bottom - self.top

    def within(self, other: Box) -> Box:
        """Return the part that lies in `other`; a box outside shrinks to a part of its edge, without area."""
        across, down = (other.left, other.right), (other.top, other.bottom)
        return Box(
            _clamped(self.left, *across),
            _clamped(self.top, *down),
            _clamped(self.right, *across),
            _clamped(self.bottom, *down),
        )


def _clamped(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


@dataclass(frozen=True)
class Placement:
    """Puts the part `seen` of an image into the part `target` of a square of `size` pixels, mirrored if `flipped`."""

    seen: Box  # of the image
    target: Box  # of the square; whole pixels
    size: int
    flipped: bool = False

    def scaled(self, across: float, down: float) -> Placement:
        """Return the same placement of a copy of the image that is scaled by these factors."""
        seen = self.seen
        return replace(self, seen=Box(seen.left * across, seen.top * down, seen.right * across, seen.bottom * down))

    def apply(self, image: Image.Image, *, of: Size | None = None) -> Array:
        """Return the square [size, size, 3] uint8 made of `image`, which may be a smaller copy of one sized `of`."""
        scaled = self if of is None else self.scaled(image.width / of[0], image.height / of[1])
        # Clipped, since rounding may put an edge just outside the image.
        box = scaled.seen.within(Box(0, 0, image.width, image.height))
        left, top, right, bottom = (round(edge) for edge in _edges(self.target))
        # Cropped and resized in one step: a long thin image as a whole might not fit into memory at the new scale.
        filled = image.resize((right - left, bottom - top), Image.Resampling.BICUBIC, box=_edges(box))
        square = np.full((self.size, self.size, 3), GREY, np.uint8)
        square[top:bottom, left:right] = np.asarray(filled)
        return square[:, ::-1] if self.flipped else square

    def cell(self, row: float, column: float, grid: tuple[int, int]) -> Box:
        """Return the part of the image under one cell of a `grid` (rows, columns) laid over the square.

        `row` and `column` may lie between two cells. The part is empty if the cell lies in a bar of padding.
        """
        rows, columns = grid
        if self.flipped:
            column = columns - 1 - column
        on_square = Box(
            column * self.size / columns,
            row * self.size / rows,
            (column + 1) * self.size / columns,
            (row + 1) * self.size / rows,
        ).within(self.target)
        across, down = self.seen.width / self.target.width, self.seen.height / self.target.height
        return Box(
            self.seen.left + (on_square.left - self.target.left) * across,
            self.seen.top + (on_square.top - self.target.top) * down,
            self.seen.left + (on_square.right - self.target.left) * across,
            self.seen.top + (on_square.bottom - self.target.top) * down,
        )

    def spread(self, weights: Array, image: Size) -> Array:
        """Return the `weights` [rows, columns] of cells as a smooth field [H, W] over a `image` of W × H pixels.

        The field has the weights at the centres of their cells, and is NaN where the encoder saw nothing of the image.
        Weights in bars of padding are lost.
        """
        width, height = image
        left, right = _covered(self.seen.left, self.seen.right, width)
        top, bottom = _covered(self.seen.top, self.seen.bottom, height)
        rows, columns = weights.shape
        laid = np.ascontiguousarray(weights[:, ::-1] if self.flipped else weights, dtype=np.float32)
        over = Box(
            self._on_square(left, "x") * columns / self.size,
            self._on_square(top, "y") * rows / self.size,
            self._on_square(right, "x") * columns / self.size,
            self._on_square(bottom, "y") * rows / self.size,
        ).within(Box(0, 0, columns, rows))
        # Bilinear: cubic interpolation would go below 0 beside a peak.
        part = Image.fromarray(laid).resize((right - left, bottom - top), Image.Resampling.BILINEAR, box=_edges(over))
        field = np.full((height, width), np.nan, np.float32)
        field[top:bottom, left:right] = np.asarray(part)
        return field

    def _on_square(self, at: float, axis: str) -> float:
        """Return where the position `at` of the image lies on the square, along one axis."""
        if axis == "x":
            return self.target.left + (at - self.seen.left) * self.target.width / self.seen.width
        return self.target.top + (at - self.seen.top) * self.target.height / self.seen.height


def _edges(box: Box) -> tuple[float, float, float, float]:
    return box.left, box.top, box.right, box.bottom


def _covered(start: float, end: float, length: int) -> tuple[int, int]:
    """Return the range of pixels whose centres lie between `start` and `end`, at least one pixel."""
    first = min(max(0, int(np.ceil(start - 0.5))), length - 1)
    return first, max(first + 1, min(length, int(np.ceil(end - 0.5))))


def place(image: Size, preprocessing: Preprocessing) -> Placement:
    """Return the placement of an `image` of W × H pixels at inference: centred, and whole as far as possible."""
    return _fitted(Box(0, 0, *image), preprocessing, across=0.5, down=0.5)


def place_at_random(
    image: Size, preprocessing: Preprocessing, augmentation: Augmentation, generator: np.random.Generator
) -> Placement:
    """Return the placement of an `image` in training, drawn from `generator`.

    It draws the same number of values whatever `augmentation` uses of them.
    """
    drawn, x, y, side = generator.random(4).tolist()
    share = augmentation.smallest_crop + (1 - augmentation.smallest_crop) * drawn
    width, height = image[0] * share, image[1] * share
    left, top = (image[0] - width) * x, (image[1] - height) * y
    part = Box(left, top, left + width, top + height)
    # A random part lies anywhere, so `fit: crop` may take any square of it; a whole image is cropped at its centre.
    across, down = (x, y) if augmentation.smallest_crop < 1 else (0.5, 0.5)
    fitted = _fitted(part, preprocessing, across=across, down=down)
    return Placement(fitted.seen, fitted.target, fitted.size, flipped=bool(augmentation.flip and side < 0.5))


def _fitted(part: Box, preprocessing: Preprocessing, *, across: float, down: float) -> Placement:
    """Return how `part` of an image fills the square; `across` and `down`, from 0 to 1, say where a crop lies."""
    size = preprocessing.size
    whole = Box(0, 0, size, size)
    if preprocessing.fit == "stretch":
        return Placement(part, whole, size)
    if preprocessing.fit == "pad":
        longer = max(part.width, part.height)
        width = max(1, round(part.width * size / longer))
        height = max(1, round(part.height * size / longer))
        bar, beam = (size - width) // 2, (size - height) // 2
        return Placement(part, Box(bar, beam, bar + width, beam + height), size)
    side = min(part.width, part.height) * size / preprocessing.shorter_side
    left, top = part.left + (part.width - side) * across, part.top + (part.height - side) * down
    return Placement(Box(left, top, left + side, top + side), whole, size)

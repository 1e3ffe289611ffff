"""Finds boxes of images among the regions that attention weighs.

P places, S = rows * columns regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from attncli.config.sources.images import Preprocessing
from attncli.data.columns import Array
from attncli.data.gold_places import GoldPlace
from attncli.decoding.written import Written
from attncli.sources.images.files import read_image
from attncli.sources.images.placement import Placement, Size, place
from attncli.sources.source import Locator


@dataclass(frozen=True)
class ImageLocator(Locator):
    """Finds boxes; a region is the part of the image under its cell of the grid."""

    preprocessing: Preprocessing

    kinds = ("box",)

    def shares(self, found: Written, places: Sequence[GoldPlace]) -> Array:
        """Return the share [P, S] of each region's area in each box; 0 for a region in the padding of an image."""
        assert found.places.grid is not None, "images have grids"
        rows, columns = found.places.grid
        size = read_image(Path(found.cell)).size
        placement = place(size, self.preprocessing)
        return np.array(
            [_in_box(each.box, placement, size, (rows, columns)) for each in places if each.box is not None]
        )


def _in_box(box: tuple[float, ...], placement: Placement, image: Size, grid: tuple[int, int]) -> Array:
    """Return the share [S] of each cell of `grid` that lies in `box`, given in shares of the width and height."""
    rows, columns = grid
    across = [placement.cell(0, column, grid) for column in range(columns)]
    down = [placement.cell(row, 0, grid) for row in range(rows)]
    left, top, right, bottom = box
    in_columns = [_overlap(cell.left, cell.right, left * image[0], right * image[0]) for cell in across]
    in_rows = [_overlap(cell.top, cell.bottom, top * image[1], bottom * image[1]) for cell in down]
    return np.outer(in_rows, in_columns).ravel()


def _overlap(start: float, end: float, first: float, last: float) -> float:
    """Return the share of the line from `start` to `end` that lies between `first` and `last`; 0 for no length."""
    return max(0.0, min(end, last) - max(start, first)) / (end - start) if end > start else 0.0

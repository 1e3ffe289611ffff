"""Boxes are found in the grid by the area of each cell: counted here point by point."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from attncli.config.sources.images import Preprocessing
from attncli.data.columns import Places
from attncli.data.gold_places import GoldPlace
from attncli.decoding.written import Written
from attncli.sources.images.locator import ImageLocator
from attncli.sources.images.placement import place

FINE = 40  # points of a cell along each axis
GRID = (3, 5)
BOX = (0.2, 0.1, 0.7, 0.6)


def shares(path: Path, size: tuple[int, int], preprocessing: Preprocessing, *boxes: tuple[float, ...]) -> np.ndarray:
    Image.new("RGB", size).save(path / "image.png")
    found = Written(str(path / "image.png"), Places(grid=GRID), ())
    places = [GoldPlace.model_validate({"words": (0,), "box": box}) for box in boxes]
    return ImageLocator(preprocessing).shares(found, places)


def counted(size: tuple[int, int], preprocessing: Preprocessing, box: tuple[float, ...]) -> np.ndarray:
    """Return the share of each cell by its points that lie in `box`, laid over the square that is seen."""
    placement = place(size, preprocessing)
    found = np.zeros(GRID)
    for row, column in np.ndindex(*GRID):
        for down, across in np.ndindex(FINE, FINE):
            x = (column + (across + 0.5) / FINE) * placement.size / GRID[1]
            y = (row + (down + 0.5) / FINE) * placement.size / GRID[0]
            target, seen = placement.target, placement.seen
            if not (target.left <= x < target.right and target.top <= y < target.bottom):
                continue
            at_x = (seen.left + (x - target.left) * seen.width / target.width) / size[0]
            at_y = (seen.top + (y - target.top) * seen.height / target.height) / size[1]
            found[row, column] += box[0] <= at_x < box[2] and box[1] <= at_y < box[3]
    return found / FINE**2


@pytest.mark.parametrize("fit", ["crop", "stretch"])
@pytest.mark.parametrize("size", [(40, 40), (90, 31), (23, 60)])
def test_a_cell_counts_by_its_area_in_the_box(tmp_path: Path, size: tuple[int, int], fit: str) -> None:
    preprocessing = Preprocessing.model_validate({"size": 30, "fit": fit})
    [found] = shares(tmp_path, size, preprocessing, BOX)
    assert found.reshape(GRID) == pytest.approx(counted(size, preprocessing, BOX), abs=0.03)


def test_cells_of_padding_lie_in_no_box(tmp_path: Path) -> None:
    # Of 30 pixels of the square, the image has the rows 10 to 19, which are the middle one of three rows of cells.
    [whole] = shares(tmp_path, (60, 20), Preprocessing(size=30, fit="pad"), (0.0, 0.0, 1.0, 1.0))
    assert whole.reshape(GRID).tolist() == [[0.0] * 5, [1.0] * 5, [0.0] * 5]


def test_every_box_has_its_row(tmp_path: Path) -> None:
    left, right = shares(tmp_path, (50, 50), Preprocessing(size=30), (0.0, 0.0, 0.2, 1.0), (0.9, 0.0, 1.0, 1 / 3))
    assert left.reshape(GRID) == pytest.approx(np.array([[1, 0, 0, 0, 0]] * 3))
    assert right.reshape(GRID) == pytest.approx(np.array([[0, 0, 0, 0, 0.5], [0] * 5, [0] * 5]))

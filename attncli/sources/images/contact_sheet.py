"""Contact sheets: images in a grid, each with its caption below.

Lengths are in inches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from attncli.drawing.captions import add_caption
from attncli.drawing.figures import new_figure
from attncli.drawing.fonts import Fonts
from attncli.drawing.wrapping import Measure, measure_of, wrapped

MOST = 24  # images per page
_COLUMNS = 4
_SIDE = 2.1  # of the square that an image is fitted into
_GAP = 0.2
_FONT_SIZE = 9.5  # points
_LINE = 0.165


@dataclass(frozen=True)
class Captioned:
    """An image, small enough to hold many in memory, and its caption."""

    image: Image.Image
    caption: str


@dataclass(frozen=True)
class _Cell:
    """A captioned image with its layout."""

    image: Image.Image
    width: float
    height: float
    lines: list[str]


def contact_sheets(shown: Sequence[Captioned], fonts: Fonts, *, caption: str = "") -> list[Figure]:
    """Return pages of at most MOST images each, in their order, row by row, over a small `caption`."""
    return [_page(shown[start : start + MOST], fonts, caption) for start in range(0, len(shown), MOST)]


def _page(shown: Sequence[Captioned], fonts: Fonts, caption: str) -> Figure:
    measure = measure_of(fonts.families, _FONT_SIZE)
    cells = [_cell(each, measure) for each in shown]
    rows = [cells[start : start + _COLUMNS] for start in range(0, len(cells), _COLUMNS)]
    heights = [_row_height(row) for row in rows]
    columns = min(_COLUMNS, len(cells))
    figure = new_figure(columns * (_SIDE + _GAP) - _GAP, sum(heights) + _GAP * (len(rows) - 1))
    top = figure.get_figheight()
    for row, height in zip(rows, heights, strict=True):
        _draw_row(figure, row, top, fonts)
        top -= height + _GAP
    if caption:
        add_caption(figure, caption, left=0, top=-0.05, width=figure.get_figwidth())
    return figure


def _cell(shown: Captioned, measure: Measure) -> _Cell:
    scale = _SIDE / max(shown.image.size)
    lines = wrapped(shown.caption, _SIDE, measure)
    return _Cell(shown.image, shown.image.width * scale, shown.image.height * scale, lines)


def _row_height(row: Sequence[_Cell]) -> float:
    return max(cell.height for cell in row) + _LINE * (max(len(cell.lines) for cell in row) + 0.4)


def _draw_row(figure: Figure, row: Sequence[_Cell], top: float, fonts: Fonts) -> None:
    """Draw `row` below `top`, in inches from the bottom: images share a base line, below which captions begin."""
    width, height = figure.get_size_inches()
    ground = top - max(cell.height for cell in row)
    for column, cell in enumerate(row):
        left = column * (_SIDE + _GAP)
        axes = figure.add_axes((left / width, ground / height, cell.width / width, cell.height / height))
        axes.imshow(np.asarray(cell.image), aspect="auto")
        axes.set_axis_off()
        for number, line in enumerate(cell.lines):
            figure.text(
                left / width,
                (ground - _LINE * (number + 1.1)) / height,
                line,
                fontsize=_FONT_SIZE,
                family=fonts.families,
                parse_math=False,
            )

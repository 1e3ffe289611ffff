"""Contact sheets: images in a grid, each with its caption below.

Lengths are in inches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from PIL import Image

from attncli.drawing.figures import new_figure, quiet_glyphs
from attncli.drawing.fonts import Fonts

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


def contact_sheets(shown: Sequence[Captioned], fonts: Fonts) -> list[Figure]:
    """Return pages of at most MOST images each, in their order, row by row."""
    return [_page(shown[start : start + MOST], fonts) for start in range(0, len(shown), MOST)]


def _page(shown: Sequence[Captioned], fonts: Fonts) -> Figure:
    measure = _measure(fonts)
    cells = [_cell(each, measure) for each in shown]
    rows = [cells[start : start + _COLUMNS] for start in range(0, len(cells), _COLUMNS)]
    heights = [_row_height(row) for row in rows]
    columns = min(_COLUMNS, len(cells))
    figure = new_figure(columns * (_SIDE + _GAP) - _GAP, sum(heights) + _GAP * (len(rows) - 1))
    top = figure.get_figheight()
    for row, height in zip(rows, heights, strict=True):
        _draw_row(figure, row, top, fonts)
        top -= height + _GAP
    return figure


def _cell(shown: Captioned, measure: Callable[[str], float]) -> _Cell:
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


def _measure(fonts: Fonts) -> Callable[[str], float]:
    """Return a function that gives the width of a text."""
    figure = new_figure(1, 1)
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    font = FontProperties(family=list(fonts.families), size=_FONT_SIZE)

    def measure(text: str) -> float:
        with quiet_glyphs():
            width, _, _ = renderer.get_text_width_height_descent(text, font, ismath=False)
        return float(width) / figure.dpi

    return measure


def wrapped(text: str, width: float, measure: Callable[[str], float]) -> list[str]:
    """Return `text` as lines of at most `width`, broken at spaces, and within words that are too wide."""
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}".lstrip()
        if measure(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        # A text in a script without spaces is one long word.
        for character in word:
            if lines[-1] and measure(lines[-1] + character) > width:
                lines.append("")
            lines[-1] += character
    return lines

"""Alignments as heat maps: a row for each target token, a column for each source token.

S source tokens, T target tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.transforms import BboxBase

from attncli.drawing.captions import add_caption
from attncli.drawing.figures import COLOURS, GREY, new_figure, quiet_glyphs
from attncli.drawing.fonts import Fonts, fonts_for
from attncli.drawing.labels import readable
from attncli.errors import DataError
from attncli.sources.text.alignment import Alignment

POINTS_AN_INCH = 72
_MARK = COLOURS[1]
_OUTSIDE, _BORDER = "#ececec", "#777777"
_MOST = 500  # tokens of a side; already these take half a minute and half a gigabyte
_LONG = 20  # from so many tokens on, labels stand at both ends, where the eye finds them


@dataclass(frozen=True)
class _Size:
    """Sizes in a heat map: of a cell in inches, of a label in points."""

    cell: float
    font: float

    @classmethod
    def of(cls, tokens: int) -> _Size:
        """Return sizes for `tokens` on the longer side: roomy for few, and never too small to read."""
        cell = float(np.clip(9.0 / tokens, 0.19, 0.42))
        return cls(cell, font=min(11.0, 0.68 * cell * POINTS_AN_INCH))


@dataclass(frozen=True)
class HeadMaps:
    """The weights of the heads of a layer: a row per query token, a column per key token."""

    looking: str  # what the rows are, for the label of their axis
    looked_at: str  # what the columns are
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    names: tuple[str, ...]  # of the heads, including their layer
    weights: np.ndarray  # [heads, rows, columns]


def check_size(source: int, target: int, *, where: str) -> None:
    """Raise DataError, which says `where`, if there are too many tokens on a side for a figure."""
    if max(source, target) > _MOST:
        raise DataError(
            f"{where}: {source:,} × {target:,} tokens, but a figure shows at most {_MOST} a side; draw a shorter "
            "sentence, or use --format json"
        )


def heat_map_fonts(alignments: Sequence[Alignment]) -> Fonts:
    """Return the fonts for the labels of all `alignments`."""
    return fonts_for(
        label
        for alignment in alignments
        for tokens in (alignment.source_tokens, alignment.rows)
        for label in readable(tokens)
    )


def heat_map(alignment: Alignment, fonts: Fonts, *, caption: str = "", largest: float | None = None) -> Figure:
    """Return `alignment` as a grid of squares, darker for larger weights, over a small `caption`.

    The darkest stands for the weight `largest`, by default the largest of these.
    """
    rows, columns = alignment.weights.shape
    size = _Size.of(max(rows, columns))
    width, height = columns * size.cell, rows * size.cell
    figure = new_figure(width + 1.0, height + 0.5)
    axes = figure.add_axes((0.0, 0.0, width / (width + 1.0), height / (height + 0.5)))
    mesh = _draw_cells(axes, alignment.weights, largest=largest)
    _draw_windows(axes, alignment)
    _draw_choices(axes, alignment)
    _label_columns(axes, readable(alignment.source_tokens), size, fonts, on_both_ends=rows >= _LONG)
    _label_rows(axes, readable(alignment.rows), size, fonts, on_both_ends=columns >= _LONG)
    axes.set_xlabel("source", color=GREY)
    axes.xaxis.set_label_position("top")
    axes.set_ylabel("given target" if alignment.forced else "output", color=GREY)
    box = _extent(figure, axes)
    top = min(box.y0 / figure.dpi, _add_scale(figure, axes, mesh, box)) - 0.1
    if handles := _marks(alignment):
        _add_legend(axes, handles, top=top / height)
        top -= 0.25
    if caption:
        add_caption(figure, caption, left=box.x0 / figure.dpi, top=top, width=box.width / figure.dpi)
    return figure


def _draw_cells(axes: Axes, weights: np.ndarray, *, largest: float | None) -> QuadMesh:
    largest = max(float(weights.max()) if largest is None else largest, 1e-6)
    rows, columns = weights.shape
    edges = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    mesh = axes.pcolormesh(*edges, weights, cmap="Blues", vmin=0, vmax=largest)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_aspect("equal")
    _draw_lines(axes.axvline, edges[0])
    _draw_lines(axes.axhline, edges[1])
    axes.spines[:].set_visible(False)
    return mesh


def _draw_lines(draw: Callable[..., Any], positions: np.ndarray) -> None:
    last = len(positions) - 1
    for number, position in enumerate(positions):
        # On a long side every fifth line is darker, which leads the eye from a cell to its labels.
        strong = number in (0, last) or (last >= _LONG and number % 5 == 0)
        draw(position, color="#9a9a9a" if strong else "#dedede", linewidth=0.6, clip_on=False)


def _draw_windows(axes: Axes, alignment: Alignment) -> None:
    """Grey out the cells outside each row's window, and mark its borders and its centre."""
    columns = len(alignment.source_tokens)
    for row, (centre, first, last) in enumerate(alignment.windows()):
        for left, right in ((0, first), (last + 1, columns)):
            outside = Rectangle((left - 0.5, row - 0.5), right - left, 1, facecolor=_OUTSIDE, edgecolor="none")
            axes.add_patch(outside)
        # Only the left and right borders: whole frames in adjacent rows would hide the grid between them.
        for border in (first - 0.5, last + 0.5):
            axes.plot([border, border], [row - 0.5, row + 0.5], color=_BORDER, linewidth=1.4, solid_capstyle="butt")
        axes.plot([centre, centre], [row - 0.28, row + 0.28], color=_MARK, linewidth=1.6, solid_capstyle="butt")


def _draw_choices(axes: Axes, alignment: Alignment) -> None:
    """Frame the cell that hard attention chose in each row."""
    for row, column in enumerate(alignment.chosen()):
        frame = Rectangle((column - 0.42, row - 0.42), 0.84, 0.84, fill=False, edgecolor=_MARK, linewidth=1.8)
        axes.add_patch(frame)


def _marks(alignment: Alignment) -> list[Artist]:
    """Return an example of each kind of mark that is drawn, with its explanation."""
    handles: list[Artist] = []
    if alignment.windows():
        handles += [
            Line2D([], [], color=_MARK, linewidth=1.6, marker="|", linestyle="none", label="centre of the window"),
            Patch(facecolor=_OUTSIDE, edgecolor=_BORDER, label="outside of it"),
        ]
    if alignment.chosen():
        handles.append(Patch(fill=False, edgecolor=_MARK, linewidth=1.8, label="the position read"))
    return handles


def _add_legend(axes: Axes, handles: list[Artist], *, top: float) -> None:
    """Explain the marks; `top` is in heights of `axes`, above its lower edge."""
    axes.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.0, top),
        ncols=len(handles),
        frameon=False,
        fontsize=9,
        labelcolor=GREY,
        borderpad=0,
        handlelength=1.2,
    )


def _extent(figure: Figure, axes: Axes) -> BboxBase:
    """Return the bounding box of `axes` and all its labels, in pixels."""
    with quiet_glyphs():
        box = axes.get_tightbbox(FigureCanvasAgg(figure).get_renderer())  # type: ignore[no-untyped-call]
    assert box is not None  # the axes are visible
    return box


def _label_columns(axes: Axes, labels: list[str], size: _Size, fonts: Fonts, *, on_both_ends: bool) -> None:
    upright = max(map(_width, labels)) * size.font * 0.62 <= size.cell * POINTS_AN_INCH
    axes.set_xticks(range(len(labels)), labels)
    axes.tick_params(axis="x", top=False, bottom=False, labeltop=True, labelbottom=on_both_ends, pad=3)
    for tick in axes.xaxis.get_major_ticks():
        for text in (tick.label1, tick.label2):
            text.set(
                fontsize=size.font, fontfamily=list(fonts.families), parse_math=False, rotation=0 if upright else 90
            )


def _label_rows(axes: Axes, labels: list[str], size: _Size, fonts: Fonts, *, on_both_ends: bool) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", left=False, right=False, labelright=on_both_ends, pad=3)
    for tick in axes.yaxis.get_major_ticks():
        for text in (tick.label1, tick.label2):
            text.set(fontsize=size.font, fontfamily=list(fonts.families), parse_math=False)


def _width(label: str) -> float:
    """Return the approximate width of `label` in Latin letters; those of East Asia are wider."""
    return sum(1.7 if ord(character) >= 0x2E80 else 1.0 for character in label)


def _add_scale(figure: Figure, axes: Axes, mesh: QuadMesh, box: BboxBase) -> float:
    """Add the colour scale to the right of `box`, which has all labels, as high as its own label and at most 2 inches.

    Returns where it ends, in inches from below.
    """
    right = box.x1 / figure.dpi
    width, height = figure.get_size_inches()
    top, bottom = axes.get_position().y1, axes.get_position().y0
    length = min(2.0 / height, max(1.1 / height, top - bottom))
    bar = figure.add_axes(((right + 0.25) / width, top - length, 0.12 / width, length))
    figure.colorbar(mesh, cax=bar).outline.set_visible(False)
    bar.tick_params(labelsize=9, colors=GREY)
    bar.set_ylabel("attention weight", color=GREY, fontsize=9)
    return float((top - length) * height)


_PANELS = 4  # the most panels side by side


def head_maps_figure(maps: HeadMaps, fonts: Fonts, *, caption: str = "", largest: float | None = None) -> Figure:
    """Return one panel per head of `maps`, all on the same colour scale, over a small `caption`.

    The darkest cell stands for the weight `largest`, by default the largest of all heads.
    """
    # A scale of its own would make a head that looks nowhere seem as sharp as any.
    largest = float(maps.weights.max()) if largest is None else largest
    heads, rows, columns = maps.weights.shape
    cell = float(np.clip((9.0 if heads == 1 else 3.6) / max(rows, columns), 0.17, 0.4))
    size = _Size(cell, font=min(10.0, 0.68 * cell * POINTS_AN_INCH))
    row_labels, column_labels = readable(maps.rows), readable(maps.columns)
    across = min(heads, _PANELS)
    down = -(-heads // across)
    width, height = columns * size.cell, rows * size.cell
    # Above each row of panels are the labels of its columns, upright if they are wide, and below it the names of heads.
    gap = max(map(_width, column_labels)) * size.font * 0.66 / POINTS_AN_INCH + 0.45
    whole = (across * (width + 0.2) + 1.0, down * (height + gap))
    figure = new_figure(*whole)
    for head, weights in enumerate(maps.weights):
        at_row, at_column = divmod(head, across)
        bottom = whole[1] - (at_row + 1) * (height + gap) + 0.3
        box = (at_column * (width + 0.2) / whole[0], bottom / whole[1], width / whole[0], height / whole[1])
        axes = figure.add_axes(box)
        mesh = _draw_cells(axes, weights, largest=largest)
        _label_columns(axes, column_labels, size, fonts, on_both_ends=False)
        _label_rows(axes, row_labels, size, fonts, on_both_ends=False)
        axes.tick_params(axis="y", labelleft=at_column == 0)
        axes.set_xlabel(maps.names[head], color=GREY)
        if at_column == 0:
            axes.set_ylabel(maps.looking, color=GREY)
        if head == 0:
            axes.set_title(maps.looked_at, color=GREY, fontsize=axes.xaxis.label.get_fontsize())
    _add_scale(figure, figure.axes[across - 1], mesh, _extent(figure, figure.axes[across - 1]))
    if caption:
        add_caption(figure, caption, left=0, top=-0.05, width=whole[0] - 1.0)
    return figure

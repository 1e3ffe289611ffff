"""Where a captioner looked: the image once per word, shaded by the weights of that word.

T words, W × H pixels.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from attncli.drawing.captions import add_caption
from attncli.drawing.figures import COLOURS, GREY, new_figure
from attncli.drawing.fonts import Fonts
from attncli.drawing.labels import readable
from attncli.drawing.wrapping import measure_of, wrapped
from attncli.errors import escaped_json
from attncli.models.attention import Marks
from attncli.sources.images.placement import Box, Placement
from attncli.sources.panel import Panel
from attncli.sources.source import Look
from attncli.text.tokenizer import EOS, SPECIAL

EVEN = 0.9
"""Weights are all but even where the exponential of their entropy is at least this share of the regions' number."""

_TILE = 1.5  # inches; the width of a tile
_PITCH = 1.7  # from one tile to the next
_LABEL, _NOTE, _SCALE = 0.26, 0.2, 0.36  # heights: above a tile, below it, and of the scale below all
_HIGHEST = 2.0  # times its width; higher images are drawn narrower
_COLUMNS = 6
LONGEST_SIDE = 320  # pixels of the image in a tile
_BAR = 2.2  # inches; the width of the scale
_DARK = 0.25  # brightness where the weight is 0
_OPAQUE = 0.85  # of a colour where the weight is largest
_LUMINANCE = np.array([0.299, 0.587, 0.114])
_MARK = COLOURS[1]


@dataclass(frozen=True)
class LookedAt:
    """An image, its caption, and the weights of each word over the image."""

    path: Path
    image: Image.Image
    placement: Placement  # of the image in the square that the encoder sees
    caption: str
    tokens: tuple[str, ...]
    weights: NDArray[np.floating[Any]]  # [T, rows, columns]
    log_prob: float
    marks: Marks | None = None  # windows and choices of the attention, [T, ...]
    looks: tuple[str, ...] = ()  # what the rows of weights are called where they are several for a label

    def chosen(self, word: int) -> Box | None:
        """Return the region that hard attention chose for `word`; None for soft attention, or where it chose none."""
        if self.marks is None or self.marks.chosen is None or int(self.marks.chosen[word]) < 0:
            return None
        _, rows, columns = self.weights.shape
        row, column = divmod(int(self.marks.chosen[word]), columns)
        return self.placement.cell(row, column, (rows, columns))

    def centre(self, word: int) -> tuple[float, float] | None:
        """Return the centre of the window of `word`, in pixels from left and top; None if there is no window."""
        if self.marks is None or self.marks.centres is None:
            return None
        _, rows, columns = self.weights.shape
        # `local_p` may predict a place past the last row or column.
        row, column = self.marks.centres[word].tolist()
        cell = self.placement.cell(min(row, rows - 1), min(column, columns - 1), (rows, columns))
        return (cell.left + cell.right) / 2, (cell.top + cell.bottom) / 2

    def as_json(self) -> dict[str, Any]:
        """Return the caption with one row of weights per word, region by region, and its centre and choice if any."""
        grid = self.weights.shape[1:]
        return {
            "image": str(self.path),
            "caption": self.caption,
            "log_prob": self.log_prob,
            "grid": list(grid),
            "target_tokens": list(self.tokens),
            **({"looks": list(self.looks)} if self.looks else {}),
            "weights": [
                [round(float(weight), 8) for weight in row] for row in self.weights.reshape(len(self.weights), -1)
            ],
            **({} if self.marks is None else self.marks.as_json()),
        }


def json_text(found: Iterable[LookedAt]) -> str:
    """Return a JSON list of `found`."""
    return escaped_json(json.dumps([each.as_json() for each in found], ensure_ascii=False, indent=1) + "\n")


def is_all_but_even(weights: NDArray[np.floating[Any]]) -> bool:
    """Return whether a word looks everywhere: at as many regions as `EVEN` of all, counted by the entropy."""
    shares = weights[weights > 0] / weights.sum()
    return float(np.exp(-(shares * np.log(shares)).sum())) >= EVEN * weights.size


def regions_figure(found: LookedAt, fonts: Fonts, look: Look, *, largest: float | None = None) -> Figure:
    """Return the caption, the image as it is, and once per word, shaded by the weights of the word.

    The strongest shade stands for the weight `largest`, by default for the largest of each word, so that words can be
    compared by where they look, but not by how sharply; below each is its largest weight, or that its weights are all
    but even. A frame marks the region that hard attention chose, a cross the centre of a local window. The end symbol
    has no image; its weights are in `as_json`.
    """
    rows = found.looks or found.tokens
    labels = readable(rows[:-1] if rows[-1:] == (SPECIAL[EOS],) else rows)
    small = reduced(found.image)
    layout = _Layout.of(len(labels) + 1, small.size, found.caption, fonts)
    figure = new_figure(layout.width, layout.height)
    _write(figure, layout.left(0), layout.height, "\n".join(layout.caption), fonts, va="top", fontsize=12)
    _show(layout.tile(figure, 0), np.asarray(small) / 255)
    for word, label in enumerate(labels):
        axes, weights = layout.tile(figure, word + 1), found.weights[word]
        draw_word(axes, found, small, word, colormap=look.colormap, largest=largest)
        axes.set_title(label, fontsize=11, pad=3, family=fonts.families, parse_math=False)
        note = "all but even" if is_all_but_even(weights) else f"up to {float(weights.max()):#.2g}"
        _write(figure, *layout.below(word + 1), note, fonts, ha="center", va="top", fontsize=7.5, color=GREY)
    _draw_scale(figure, layout, look, largest)
    add_caption(figure, look.caption, left=layout.left(0), top=0.0, width=layout.width - 0.2)
    return figure


def draw_word(
    axes: Axes, found: LookedAt, small: Image.Image, word: int, *, colormap: str, largest: float | None
) -> None:
    """Draw `small`, the image reduced, shaded by the weights of `word`, with the marks of its attention.

    The strongest shade stands for the weight `largest`, by default for the largest of the word.
    """
    most = max(largest or float(found.weights[word].max()), 1e-9)
    _show(axes, shaded(np.asarray(small) / 255, _field(found, word, small.size) / most, colormap))
    _mark(axes, found, word, small.width / found.image.width)


@dataclass(frozen=True)
class RegionsPanel(Panel):
    """An image, shaded by the weights of an output token."""

    found: LookedAt
    small: Image.Image

    @classmethod
    def of(cls, found: LookedAt, *, width: float) -> RegionsPanel:
        """Return the panel of `found`, as wide as `width` unless it would be too high."""
        height = min(width * found.image.height / found.image.width, width * _HIGHEST)
        return cls(min(width, height * found.image.width / found.image.height), height, found, reduced(found.image))

    def draw(self, axes: Axes, token: int, *, colormap: str, largest: float | None) -> None:
        """Draw the image, shaded by the weights of `token`."""
        draw_word(axes, self.found, self.small, token, colormap=colormap, largest=largest)


@dataclass(frozen=True)
class _Layout:
    """Where caption, tiles and scale are, in inches from left and bottom."""

    caption: list[str]
    columns: int
    rows: int
    tile_size: tuple[float, float]

    @classmethod
    def of(cls, tiles: int, image: tuple[int, int], caption: str, fonts: Fonts) -> _Layout:
        # Without a bound one thin image would make a figure of gigabytes.
        height = _TILE * min(image[1] / image[0], _HIGHEST)
        width = min(_TILE, height * image[0] / image[1])
        columns = min(_COLUMNS, tiles)
        lines = wrapped(caption, columns * _PITCH - 0.1, measure_of(fonts.families, 12))
        return cls(lines, columns, math.ceil(tiles / columns), (width, height))

    @property
    def width(self) -> float:
        return self.columns * _PITCH

    @property
    def height(self) -> float:
        return 0.1 + 0.21 * len(self.caption) + self.rows * (self.tile_size[1] + _LABEL + _NOTE) + _SCALE

    def left(self, tile: int) -> float:
        return (tile % self.columns + 0.5) * _PITCH - self.tile_size[0] / 2

    def bottom(self, tile: int) -> float:
        return _SCALE + _NOTE + (self.rows - 1 - tile // self.columns) * (self.tile_size[1] + _LABEL + _NOTE)

    def below(self, tile: int) -> tuple[float, float]:
        return self.left(tile) + self.tile_size[0] / 2, self.bottom(tile) - 0.03

    def tile(self, figure: Figure, number: int) -> Axes:
        width, height = self.tile_size
        box = (
            self.left(number) / self.width,
            self.bottom(number) / self.height,
            width / self.width,
            height / self.height,
        )
        return figure.add_axes(box)


def _draw_scale(figure: Figure, layout: _Layout, look: Look, largest: float | None) -> None:
    """Draw the shades from weight 0 to the largest, as they are over a grey image."""
    left = layout.left(0)
    axes = figure.add_axes((left / layout.width, 0.2 / layout.height, _BAR / layout.width, 0.1 / layout.height))
    axes.imshow(
        shaded(np.full((1, 256, 3), 0.5), np.linspace(0, 1, 256)[None], look.colormap),
        aspect="auto",
        extent=(0, 1, 0, 1),
    )
    axes.set_xticks([0, 1], ["weight 0", "largest of a word" if largest is None else f"{largest:#.2g}"])
    axes.tick_params(axis="x", labelsize=7.5, length=0, pad=2, labelcolor=GREY)
    first, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def shaded(
    pixels: NDArray[np.floating[Any]], share: NDArray[np.floating[Any]], colormap: str
) -> NDArray[np.floating[Any]]:
    """Return `pixels` [H, W, 3], from 0 to 1, shaded by `share` [H, W], from 0 to 1 and NaN where nothing was seen.

    A colour map covers a grey copy of the image, the more the larger the share, so that it is seen on dark images and
    bright ones; `brightness` keeps the image's colours and darkens where the share is small.
    """
    seen = np.nan_to_num(share)[:, :, None]
    if colormap == "brightness":
        return np.where(np.isnan(share)[:, :, None], 0, pixels * (_DARK + (1 - _DARK) * seen))
    # Never quite black nor white, so that no colour of a map is lost on it.
    grey = 0.15 + 0.7 * pixels @ _LUMINANCE
    colours = colormaps[colormap](seen[:, :, 0])[:, :, :3]
    covered = grey[:, :, None] * (1 - _OPAQUE * seen) + colours * _OPAQUE * seen
    return np.where(np.isnan(share)[:, :, None], 1, covered)


def _write(figure: Figure, x: float, y: float, text: str, fonts: Fonts, **look: Any) -> None:
    width, height = figure.get_size_inches()
    figure.text(x / width, y / height, text, family=fonts.families, parse_math=False, **look)


def _mark(axes: Axes, found: LookedAt, word: int, factor: float) -> None:
    """Frame the region chosen for `word`, and put a cross at the centre of its window."""
    box, centre = found.chosen(word), found.centre(word)
    if box is not None and box.width and box.height:  # empty in a bar of padding
        corner = box.left * factor - 0.5, box.top * factor - 0.5
        frame = Rectangle(corner, box.width * factor, box.height * factor, fill=False, edgecolor=_MARK, linewidth=1.6)
        axes.add_patch(frame)
    if centre is not None:
        axes.plot(*([at * factor - 0.5] for at in centre), "+", color=_MARK, markersize=7, markeredgewidth=1.6)


def reduced(image: Image.Image) -> Image.Image:
    """Return `image` scaled to a longer side of LONGEST_SIDE pixels."""
    factor = LONGEST_SIDE / max(image.size)
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    return image.resize(size, Image.Resampling.BICUBIC)


def _field(found: LookedAt, word: int, size: tuple[int, int]) -> NDArray[np.floating[Any]]:
    """Return the weights of a word over the reduced image [H, W], NaN where nothing was seen."""
    scaled = found.placement.scaled(size[0] / found.image.width, size[1] / found.image.height)
    return scaled.spread(found.weights[word], size)


def _show(axes: Axes, pixels: NDArray[np.floating[Any]]) -> None:
    axes.imshow(np.clip(pixels, 0, 1), aspect="auto")
    axes.set_axis_off()

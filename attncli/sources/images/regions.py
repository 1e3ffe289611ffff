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
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from attncli.drawing.figures import COLOURS, new_figure
from attncli.drawing.fonts import Fonts
from attncli.drawing.labels import readable
from attncli.errors import escaped_json
from attncli.models.attention import Marks
from attncli.sources.images.placement import Box, Placement
from attncli.text.tokenizer import EOS, SPECIAL

_TILE = 1.6  # inches; the width of a tile
_HIGHEST = 2.0  # times its width; higher images are drawn narrower
_COLUMNS = 6
LONGEST_SIDE = 320  # pixels of the image in a tile
_DARK = 0.25  # brightness where the weight is 0
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

    def chosen(self, word: int) -> Box | None:
        """Return the region that hard attention chose for `word`; None for soft attention."""
        if self.marks is None or self.marks.chosen is None:
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
            "weights": [
                [round(float(weight), 8) for weight in row] for row in self.weights.reshape(len(self.tokens), -1)
            ],
            **({} if self.marks is None else self.marks.as_json()),
        }


def json_text(found: Iterable[LookedAt]) -> str:
    """Return a JSON list of `found`."""
    return escaped_json(json.dumps([each.as_json() for each in found], ensure_ascii=False, indent=1) + "\n")


def regions_figure(found: LookedAt, fonts: Fonts) -> Figure:
    """Return the image as it is, and once per word, brighter where the weight of the word is larger.

    What the encoder did not see is black. The brightest place of every word is as bright as the image, so words can be
    compared by where they look, but not by how sharply. A frame marks the region that hard attention chose, a cross the
    centre of a local window. The end symbol has no image; its weights are in `as_json`.
    """
    labels = readable(found.tokens[:-1] if found.tokens[-1:] == (SPECIAL[EOS],) else found.tokens)
    tiles = len(labels) + 1
    columns = min(_COLUMNS, tiles)
    rows = math.ceil(tiles / columns)
    small = reduced(found.image)
    # Without a bound one thin image would make a figure of gigabytes.
    height = _TILE * min(small.height / small.width, _HIGHEST)
    width = min(1.0, height / _TILE * small.width / small.height)  # share of the tile
    figure = new_figure(columns * _TILE * 1.08, rows * (height + 0.42))
    pixels = np.asarray(small) / 255
    cell = 1 / columns, 1 / rows
    for number in range(tiles):
        middle, top = (number % columns + 0.5) * cell[0], 1 - (number // columns) * cell[1]
        share = height / (height + 0.42)
        left = middle - 0.47 * width * cell[0]
        axes = figure.add_axes((left, top - cell[1] * 0.97, cell[0] * 0.94 * width, cell[1] * share))
        if number == 0:
            _show(axes, pixels, "", fonts)
        else:
            field = _field(found, number - 1, small.size)
            _show(axes, pixels * (_DARK + (1 - _DARK) * field)[:, :, None], labels[number - 1], fonts)
            _mark(axes, found, number - 1, small.width / found.image.width)
    return figure


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
    """Return the weights of a word over the reduced image [H, W], at most 1, negative where nothing was seen."""
    scaled = found.placement.scaled(size[0] / found.image.width, size[1] / found.image.height)
    field = scaled.spread(found.weights[word], size)
    largest = max(float(np.nanmax(field)), 1e-9)
    # Chosen so that the brightness _DARK + (1 - _DARK) * field is 0 there.
    return np.where(np.isnan(field), -_DARK / (1 - _DARK), field / largest)


def _show(axes: Axes, pixels: NDArray[np.floating[Any]], label: str, fonts: Fonts) -> None:
    axes.imshow(np.clip(pixels, 0, 1), aspect="auto")
    axes.set_axis_off()
    axes.set_title(label, fontsize=11, pad=3, family=fonts.families, parse_math=False)

"""Where a model looked in a film: its frames from left to right, with a row of weights for each word.

W words, T frames, lengths in inches.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from attncli.config.sources.images import Preprocessing
from attncli.data.direction import mark_of
from attncli.decoding.written import Written, WrittenHypothesis
from attncli.drawing.captions import add_caption
from attncli.drawing.figures import GREY, new_figure
from attncli.drawing.fonts import Fonts
from attncli.drawing.labels import readable
from attncli.drawing.wrapping import measure_of, wrapped
from attncli.errors import escaped_json
from attncli.sources.images.placement import place
from attncli.sources.images.regions import shaded
from attncli.sources.source import Look
from attncli.sources.video.sampling import even
from attncli.text.tokenizer import EOS, SPECIAL

MOST_WITH_REGIONS = 12
"""Of more frames, so many evenly spread ones are drawn where each has weights of its own regions."""
MOST_OVER_WEIGHTS = 18
"""The same over rows of weights, which have a cell for every frame; smaller ones would not be recognised."""
_WIDTH = 9.0  # of all frames
_WIDEST, _HIGHEST = 1.2, 1.5  # of a frame
_LABELS = 1.1  # left of the frames
_ROW = 0.26  # height of the weights of a word over frames
_GAP = 0.04

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class LookedAtFilm:
    """The frames of a film that were read, and what was written for it."""

    film: str
    frames: Sequence[Pixels]  # T of [height, width, 3], all of one size
    best: WrittenHypothesis

    @property
    def weights(self) -> NDArray[np.floating[Any]]:
        """The weights [W, T] over frames, the sums of those over their regions where there are any."""
        assert self.best.weights is not None, "figures of films need weights"
        summed: NDArray[np.floating[Any]] = self.best.weights.reshape(*self.best.weights.shape[:2], -1).sum(-1)
        return summed

    @property
    def labels(self) -> list[str]:
        """The words, or the looks that led to one; the end symbol is left out unless it is alone."""
        tokens = self.best.rows
        return readable(tokens[:-1] if len(tokens) > 1 and tokens[-1] == SPECIAL[EOS] else tokens)


def json_text(found: Iterable[Written]) -> str:
    """Return a JSON list of films, each with what was written and a row of weights per word, frame by frame."""
    return escaped_json(json.dumps([_as_json(each) for each in found], ensure_ascii=False, indent=1) + "\n")


def _as_json(found: Written) -> dict[str, Any]:
    best = found.best
    assert best.weights is not None, "figures of films need weights"
    rows = best.weights.reshape(len(best.weights), -1)
    return {
        "film": found.cell + mark_of(found.cell),
        "caption": best.text,
        "log_prob": best.log_prob,
        "frames": best.weights.shape[1],
        **({} if found.places.grid is None else {"grid": list(found.places.grid)}),
        "target_tokens": list(best.tokens),
        **({"looks": list(best.looks)} if best.looks else {}),
        "weights": [[round(float(weight), 8) for weight in row] for row in rows],
        **({} if best.marks is None else best.marks.as_json()),
    }


def film_figure(
    found: LookedAtFilm, preprocessing: Preprocessing, fonts: Fonts, look: Look, *, largest: float | None = None
) -> Figure:
    """Return the frames of a film from left to right, and for each word the weights below them.

    Of weights over regions every frame is drawn once per word, shaded by them. The strongest shade stands for the
    weight `largest`, by default for the largest of each word.
    """
    assert found.best.weights is not None, "figures of films need weights"
    has_regions = found.best.weights.ndim > 2
    shown = even(MOST_WITH_REGIONS if has_regions else MOST_OVER_WEIGHTS, of=len(found.frames))
    layout = _Layout.of(found, len(shown), fonts, row=None if has_regions else _ROW)
    figure = new_figure(layout.width, layout.height)
    for number, line in enumerate(layout.caption):
        _write(figure, 0, layout.height - 0.21 * number, line, fonts, va="top", fontsize=12)
    for column, frame in enumerate(shown):
        _show(layout.frame(figure, column), found.frames[frame] / 255)
    for word, label in enumerate(found.labels):
        most = max(largest or float(found.best.weights[word].max()), 1e-9)
        if has_regions:
            for column, frame in enumerate(shown):
                share = found.best.weights[word, frame] / most
                _show(layout.cell(figure, word, column), _over(found.frames[frame], share, preprocessing, look))
        else:
            _draw_row(layout.row_of(figure, word), found.weights[word] / most)
        middle = layout.top_of(word) - layout.row / 2
        _write(figure, _LABELS - 0.08, middle, label, fonts, ha="right", va="center", fontsize=11)
        note = f"up to {float(found.best.weights[word].max()):#.2g}"
        _write(figure, layout.width - 0.72, middle, note, fonts, va="center", fontsize=7.5, color=GREY)
    add_caption(figure, _about(look, len(shown), len(found.frames)), left=0.0, top=-0.05, width=layout.width)
    return figure


def _about(look: Look, shown: int, frames: int) -> str:
    return look.caption if shown == frames else f"{look.caption} · {shown} of {frames} frames"


@dataclass(frozen=True)
class _Layout:
    """Where caption, frames and rows are, from left and bottom."""

    caption: list[str]
    columns: int
    words: int
    frame_size: tuple[float, float]  # of what is drawn of a frame, without the gap
    row: float  # height of a word

    @classmethod
    def of(cls, found: LookedAtFilm, columns: int, fonts: Fonts, *, row: float | None) -> _Layout:
        height, width = found.frames[0].shape[:2]
        across = min(_WIDEST, _WIDTH / columns)
        down = min(across * height / width, _HIGHEST)
        caption = wrapped(found.best.text, _LABELS + across * columns, measure_of(fonts.families, 12))
        gap = _GAP if across > 3 * _GAP else 0.0
        return cls(caption, columns, len(found.labels), (across - gap, down), down + _GAP if row is None else row)

    @property
    def pitch(self) -> float:
        return min(_WIDEST, _WIDTH / self.columns)

    @property
    def width(self) -> float:
        return _LABELS + self.columns * self.pitch + 0.8

    @property
    def top(self) -> float:
        """Where the frames begin."""
        return self.height - 0.21 * len(self.caption) - 0.08

    @property
    def height(self) -> float:
        return 0.21 * len(self.caption) + 0.08 + self.frame_size[1] + _GAP + self.words * self.row

    def top_of(self, word: int) -> float:
        return self.top - self.frame_size[1] - _GAP - word * self.row

    def frame(self, figure: Figure, column: int) -> Axes:
        return self._axes(figure, _LABELS + column * self.pitch, self.top, *self.frame_size)

    def cell(self, figure: Figure, word: int, column: int) -> Axes:
        return self._axes(figure, _LABELS + column * self.pitch, self.top_of(word), *self.frame_size)

    def row_of(self, figure: Figure, word: int) -> Axes:
        return self._axes(figure, _LABELS, self.top_of(word), self.columns * self.pitch, self.row - _GAP)

    def _axes(self, figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
        bottom = top - height
        box = left / self.width, bottom / self.height, width / self.width, height / self.height
        return figure.add_axes(box)


def _draw_row(axes: Axes, share: NDArray[np.floating[Any]]) -> None:
    """Draw the weights of a word over all frames, each a share of the strongest."""
    axes.imshow(share[None], aspect="auto", cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#bbbbbb")


def _over(
    frame: Pixels, share: NDArray[np.floating[Any]], preprocessing: Preprocessing, look: Look
) -> NDArray[np.floating[Any]]:
    """Return `frame` shaded by the `share` [rows, columns] of each region."""
    height, width = frame.shape[:2]
    field = place((width, height), preprocessing).spread(share, (width, height))
    return shaded(frame / 255, np.clip(field, 0, 1), look.colormap)


def _show(axes: Axes, pixels: NDArray[np.floating[Any]]) -> None:
    axes.imshow(np.clip(pixels, 0, 1), aspect="auto")
    axes.set_axis_off()


def _write(figure: Figure, x: float, y: float, text: str, fonts: Fonts, **look: Any) -> None:
    width, height = figure.get_size_inches()
    figure.text(x / width, y / height, text, family=fonts.families, parse_math=False, **look)

"""Where a transcriber listened: the spectrogram over the weights of each token, with the words in time.

T tokens, S positions, F frames, M features of a frame; lengths are in inches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from attncli.decoding.written import Written
from attncli.drawing.captions import add_caption
from attncli.drawing.figures import COLOURS, GREY, new_figure
from attncli.drawing.fonts import Fonts
from attncli.drawing.labels import readable
from attncli.drawing.wrapping import measure_of
from attncli.errors import DataError
from attncli.models.attention import Marks
from attncli.sources.words_in_time import SpokenWord

_NARROWEST, _WIDEST, _SECOND = 6.0, 24.0, 2.0  # of the panels, and of a second of them
_SOUND, _LANE, _GAP = 1.5, 0.22, 0.06  # heights: of the spectrogram, of a lane of words, between panels
_BETWEEN = 0.08  # the least distance of two words in a lane
_ROW = 0.24  # height of a token's weights
_MOST_TOKENS = 300
_WORD_SIZE = 9.0  # points


@dataclass(frozen=True)
class Listened:
    """A recording, its transcript, and the weights of each token over time."""

    path: str
    text: str
    tokens: tuple[str, ...]
    weights: NDArray[np.floating[Any]]  # [T, S]
    log_prob: float
    seconds_of_position: float
    features: NDArray[np.float32]  # [F, M]
    seconds_of_frame: float
    words: tuple[SpokenWord, ...]  # as attention tells
    gold: tuple[SpokenWord, ...] = ()  # as somebody has marked them
    marks: Marks | None = None
    looks: tuple[str, ...] = ()  # what the rows of weights are called where they are several for a label

    @property
    def seconds(self) -> float:
        """The length of the recording."""
        return len(self.features) * self.seconds_of_frame

    def as_json(self) -> dict[str, Any]:
        """Return the transcript with one row of weights per token, and its words in time."""
        gold = {"gold_words": [word.as_json() for word in self.gold]} if self.gold else {}
        return {
            "recording": self.path,
            "text": self.text,
            "log_prob": self.log_prob,
            "seconds_per_position": self.seconds_of_position,
            "words": [word.as_json() for word in self.words],
            **gold,
            "target_tokens": list(self.tokens),
            **({"looks": list(self.looks)} if self.looks else {}),
            "weights": [[round(float(weight), 8) for weight in row] for row in self.weights],
            **({} if self.marks is None else self.marks.as_json()),
        }


def check_size(found: Written) -> None:
    """Raise DataError if there are too many tokens for a figure."""
    if len(found.best.tokens) > _MOST_TOKENS:
        raise DataError(
            f"{found.cell}: {len(found.best.tokens):,} tokens, but a figure shows at most {_MOST_TOKENS}; use "
            "--format json"
        )


def spectrogram_figure(found: Listened, fonts: Fonts, *, caption: str = "", largest: float | None = None) -> Figure:
    """Return the spectrogram over the words in time over a row of weights per token, darker for larger weights.

    The darkest stands for the weight `largest`, by default for the largest of these.
    """
    width = float(np.clip(found.seconds * _SECOND, _NARROWEST, _WIDEST))
    names = {"attended": found.words, **({"said": found.gold} if found.gold else {})}
    placed = {name: _placed(words, fonts, seconds=found.seconds, width=width) for name, words in names.items()}
    rows = [_SOUND, *(_LANE * _lanes(words) for words in placed.values()), len(found.weights) * _ROW]
    height = sum(rows) + _GAP * (len(rows) - 1)
    figure = new_figure(width, height)
    panels, top = [], height
    for row in rows:
        panels.append(figure.add_axes((0, (top - row) / height, 1, row / height)))
        panels[-1].set_xlim(0, found.seconds)
        top -= row + _GAP
    _draw_sound(panels[0], found)
    for panel, (name, words), colour in zip(panels[1:], placed.items(), (COLOURS[0], COLOURS[2]), strict=False):
        _draw_words(panel, words, name, colour, fonts)
    for panel in panels[:-1]:
        panel.set_xticks([])
    _draw_weights(panels[-1], found, fonts, largest)
    add_caption(figure, caption, left=0, top=-0.55, width=width)
    return figure


def _draw_sound(axes: Axes, found: Listened) -> None:
    axes.imshow(
        found.features.T,
        aspect="auto",
        origin="lower",
        cmap="magma",
        extent=(0, found.seconds, 0, 1),
        interpolation="none",
    )
    axes.set_yticks([])
    axes.set_ylabel("features", color=GREY, fontsize=_WORD_SIZE)


class _Placed(NamedTuple):
    """A word over its bar."""

    text: str
    start: float  # seconds, of the bar
    end: float
    middle: float  # of the text
    lane: int  # from below


def _placed(words: Sequence[SpokenWord], fonts: Fonts, *, seconds: float, width: float) -> list[_Placed]:
    """Return each of `words` in the lowest lane in which it meets none before it, its text within the `seconds`.

    These are drawn `width` wide.
    """
    measure = measure_of(fonts.families, _WORD_SIZE)
    ends: list[float] = []  # of what is in each lane
    found = []
    for word in sorted(words, key=lambda word: word.start):
        text = readable([word.text])[0]
        half = min(measure(text) / width, 1) * seconds / 2
        middle = min(max((word.start + word.end) / 2, half), seconds - half)
        left, right = min(word.start, middle - half), max(word.end, middle + half)
        lane = next((at for at, end in enumerate(ends) if end <= left), len(ends))
        ends[lane : lane + 1] = [right + _BETWEEN * seconds / width]
        found.append(_Placed(text, word.start, word.end, middle, lane))
    return found


def _lanes(words: Sequence[_Placed]) -> int:
    return max((word.lane for word in words), default=0) + 1


def _draw_words(axes: Axes, words: Sequence[_Placed], name: str, colour: str, fonts: Fonts) -> None:
    """Draw a bar for the time of each word, and the word over it."""
    axes.set_ylim(0, _lanes(words))
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_ylabel(name, color=colour, fontsize=_WORD_SIZE, rotation=0, ha="right", va="center")
    for word in words:
        height = word.lane + 0.16
        axes.plot([word.start, word.end], [height, height], color=colour, linewidth=2.2, solid_capstyle="butt")
        axes.text(
            word.middle,
            height + 0.08,
            word.text,
            ha="center",
            va="bottom",
            fontsize=_WORD_SIZE,
            family=list(fonts.families),
            parse_math=False,
        )


def _draw_weights(axes: Axes, found: Listened, fonts: Fonts, largest: float | None) -> None:
    rows, positions = found.weights.shape
    most = max(float(found.weights.max()) if largest is None else largest, 1e-6)
    edges = np.arange(positions + 1) * found.seconds_of_position
    axes.pcolormesh(edges, np.arange(rows + 1) - 0.5, found.weights, cmap="Blues", vmin=0, vmax=most)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.hlines(np.arange(1, rows) - 0.5, 0, found.seconds, color="#dedede", linewidth=0.5)
    axes.set_yticks(range(rows), readable(found.looks or found.tokens))
    axes.tick_params(axis="y", length=0)
    for label in axes.get_yticklabels():
        label.set(fontsize=_WORD_SIZE, fontfamily=list(fonts.families), parse_math=False)
    axes.set_xlabel(f"seconds; the darkest is a weight of {most:.2g}", color=GREY, fontsize=_WORD_SIZE)
    _draw_marks(axes, found)


def _draw_marks(axes: Axes, found: Listened) -> None:
    """Mark the centre of each token's window, and the position that hard attention chose."""
    if found.marks is None:
        return
    for places, marker in (
        (None if found.marks.centres is None else found.marks.centres[:, 0], "|"),
        (found.marks.chosen, "s"),
    ):
        if places is not None:
            at = (np.asarray(places, dtype=float) + 0.5) * found.seconds_of_position
            axes.plot(at, range(len(at)), marker, color=COLOURS[1], markersize=6, fillstyle="none")

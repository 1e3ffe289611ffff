"""The words of a sentence on a few lines, each shaded by a weight."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib import colormaps
from matplotlib.axes import Axes

from attncli.decoding.written import Written
from attncli.drawing.figures import COLOURS
from attncli.drawing.fonts import fonts_for
from attncli.drawing.labels import readable
from attncli.drawing.wrapping import measure_of
from attncli.sources.panel import Panel
from attncli.sources.text.alignment import Alignment, alignment_of

_SIZE, _LINE, _SPACE = 9.0, 0.24, 0.1  # points of a word; inches of a line, and between two words
_DARKEST = 0.7  # share of the colour map, so that words stay readable


@dataclass(frozen=True)
class Words(Panel):
    """Every token where it stands in the sentence, darker for larger weights; a frame marks the one that was chosen."""

    alignment: Alignment
    places: tuple[tuple[float, float], ...]  # of each token, in inches from left and top
    families: tuple[str, ...]

    @classmethod
    def of(cls, found: Written, *, width: float) -> Words:
        """Return the words of the best hypothesis of `found`, in lines of at most `width`."""
        alignment = alignment_of(found, forced=False)
        labels = readable(alignment.source_tokens)
        families = fonts_for(labels).families
        places = _placed(labels, families, width)
        return cls(width, places[-1][1] + _LINE, alignment, tuple(places), families)

    def draw(self, axes: Axes, token: int, *, colormap: str, largest: float | None) -> None:
        """Draw the words, shaded by the weights of `token`."""
        axes.set_axis_off()
        weights, chosen = self.alignment.weights[token], self.alignment.chosen()
        most = max(largest or float(weights.max()), 1e-9)
        for at, (label, (left, top)) in enumerate(
            zip(readable(self.alignment.source_tokens), self.places, strict=True)
        ):
            is_chosen = bool(chosen) and chosen[token] == at
            box = {
                "boxstyle": "round,pad=0.15",
                "facecolor": colormaps["Blues"](_DARKEST * min(float(weights[at]) / most, 1.0)),
                "edgecolor": COLOURS[1] if is_chosen else "none",
            }
            where = left / self.width, 1 - (top + _LINE / 2) / self.height
            axes.text(
                *where,
                label,
                transform=axes.transAxes,
                va="center",
                fontsize=_SIZE,
                family=list(self.families),
                parse_math=False,
                bbox=box,
            )


def _placed(labels: list[str], families: tuple[str, ...], width: float) -> list[tuple[float, float]]:
    """Return where each of `labels` stands, in lines of at most `width`."""
    measure = measure_of(families, _SIZE)
    places, left, top = [], 0.05, 0.0
    for label in labels:
        size = measure(label)
        if left > _SPACE and left + size > width:
            left, top = 0.05, top + _LINE
        places.append((left, top))
        left += size + _SPACE
    return places

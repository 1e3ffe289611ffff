"""How wide text is where it is drawn, and text broken into lines of a width.

Lengths are in inches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.font_manager import FontProperties

from attncli.drawing.figures import new_figure, quiet_glyphs

Measure = Callable[[str], float]

_SPACES = re.compile(r"[^\S\u00a0]+")  # lines do not break at a no-break space
_AFTER_A_JOINT = re.compile(r"(?<=[-_/])(?=\w)")


def measure_of(families: Sequence[str], size: float) -> Measure:
    """Return a function that gives the width of a line of text, in letters of `size` points."""
    figure = new_figure(1, 1)
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    font = FontProperties(family=list(families), size=size)

    def measure(text: str) -> float:
        with quiet_glyphs():
            width, _, _ = renderer.get_text_width_height_descent(text, font, ismath=False)
        return float(width) / figure.dpi

    return measure


def wrapped(text: str, width: float, measure: Measure) -> list[str]:
    """Return `text` as lines of at most `width`.

    It breaks at spaces; in words that are too wide after `-`, `_` and `/`, or where there are none anywhere.
    """
    lines = [""]
    for word in filter(None, _SPACES.split(text)):
        joined = f"{lines[-1]} {word}".lstrip()
        if measure(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for part in _AFTER_A_JOINT.split(word):
            if lines[-1] and measure(lines[-1] + part) > width:
                lines.append("")
            _append(lines, part, width, measure)
    return lines


def _append(lines: list[str], part: str, width: float, measure: Measure) -> None:
    if measure(lines[-1] + part) <= width:
        lines[-1] += part
        return
    # A text in a script without spaces is one long word.
    for character in part:
        if lines[-1] and measure(lines[-1] + character) > width:
            lines.append("")
        lines[-1] += character

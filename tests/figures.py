"""What a figure shows, as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import BboxBase
from numpy.typing import NDArray

from attncli.drawing.figures import quiet_glyphs


def heights(line: Line2D) -> NDArray[np.float64]:
    """Return the y values of `line`."""
    return np.asarray(line.get_ydata(), dtype=np.float64)


def legend_names(axes: Axes) -> list[str]:
    """Return the names in the legend of `axes`, without what is said of them in brackets."""
    legend = axes.get_legend()
    assert legend is not None
    return [text.get_text().split("(")[0].strip() for text in legend.get_texts()]


def overlapping_texts(figure: Figure) -> list[tuple[str, str]]:
    """Return the texts that cover one another, in pairs."""
    found = placed_texts(figure)
    return [
        (text, other)
        for (text, box), (other, beside) in combinations(found, 2)
        if min(box.x1, beside.x1) - max(box.x0, beside.x0) > 1 and min(box.y1, beside.y1) - max(box.y0, beside.y0) > 1
    ]


def placed_texts(figure: Figure) -> list[tuple[str, BboxBase]]:
    """Return every text that is drawn with the pixels it takes."""
    with quiet_glyphs():
        figure.canvas.draw()
        renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]  # matplotlib's is untyped
        texts = [text for text in _texts(figure) if text.get_visible() and text.get_text().strip()]
        return [(text.get_text(), text.get_window_extent(renderer)) for text in texts]


def _texts(figure: Figure) -> Iterator[Text]:
    yield from figure.texts  # with those around all panels
    for axes in filter(Axes.get_visible, figure.axes):
        yield from axes.texts
        if (legend := axes.get_legend()) is not None:
            yield from legend.get_texts()
        if axes.axison:
            for axis in (axes.xaxis, axes.yaxis):
                yield axis.label
                low, high = sorted(axis.get_view_interval())
                for tick in axis.get_major_ticks():
                    if low - 1e-9 <= tick.get_loc() <= high + 1e-9:
                        yield from (tick.label1, tick.label2)
        yield from (text for text in axes.get_children() if isinstance(text, Text) and text not in axes.texts)

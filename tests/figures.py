"""What a figure shows, as plain values."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray


def heights(line: Line2D) -> NDArray[np.float64]:
    """Return the y values of `line`."""
    return np.asarray(line.get_ydata(), dtype=np.float64)


def legend_names(axes: Axes) -> list[str]:
    """Return the names in the legend of `axes`, without what is said of them in brackets."""
    legend = axes.get_legend()
    assert legend is not None
    return [text.get_text().split("(")[0].strip() for text in legend.get_texts()]

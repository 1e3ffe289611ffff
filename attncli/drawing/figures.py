"""Figures: made without global state, and written the same way every time."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from attncli.files.writing import replacing

# Okabe and Ito's palette, distinguishable with every kind of colour vision; its yellow is too pale for lines on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#666666"


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of `width` by `height` inches."""
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


@contextmanager
def quiet_glyphs() -> Iterator[None]:
    """Silence matplotlib about glyphs that no font has: `Fonts.warning` says it once, in words that help."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        yield


def save_figure(figure: Figure, path: Path, *, dots_per_inch: int = 150) -> None:
    """Write `figure` to `path` (PNG, SVG or PDF by its suffix), with no date inside; the same figure, the same file.

    SVG keeps text as text, so that the viewer's fonts show every script.
    """
    metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {"Software": None}}[path.suffix]
    with (
        replacing(path) as partial,
        rc_context({"svg.fonttype": "none", "svg.hashsalt": "attncli", "pdf.fonttype": 42}),
        quiet_glyphs(),
    ):
        figure.savefig(
            partial,
            format=path.suffix.removeprefix("."),
            dpi=dots_per_inch,
            bbox_inches="tight",
            pad_inches=0.12,
            metadata=metadata,
        )


def svg_in_base64(figure: Figure) -> str:
    """Return `figure` as SVG in base64, for the address of an image in a page."""
    found = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "attncli"}), quiet_glyphs():
        figure.savefig(found, format="svg", bbox_inches="tight", pad_inches=0.12, metadata={"Date": None})
    return base64.b64encode(found.getvalue()).decode("ascii")

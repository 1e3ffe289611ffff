"""Where a model looked in films, as one self-contained web page."""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib.figure import Figure

from attncli.data.direction import mark_of
from attncli.decoding.written import Written
from attncli.drawing.figures import svg_in_base64
from attncli.drawing.pages import rendered
from attncli.sources.source import Look


def page(figures: Iterable[tuple[Written, Figure]], look: Look) -> str:
    """Return an HTML page of films with their `figures`, which refers to nothing outside itself."""
    shown = [(found.cell + mark_of(found.cell), found.best.text, svg_in_base64(figure)) for found, figure in figures]
    return rendered("attncli.sources.video", of=look.caption, shown=shown)

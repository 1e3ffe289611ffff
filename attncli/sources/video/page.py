"""Where a model looked in films, as one self-contained web page."""

from __future__ import annotations

from collections.abc import Iterable

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from attncli.decoding.written import Written
from attncli.drawing.figures import svg_in_base64
from attncli.errors import escaped
from attncli.sources.source import Look

_TEMPLATES = Environment(
    loader=PackageLoader("attncli.sources.video", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    # A browser obeys an override of the direction of text as a terminal does.
    finalize=lambda value: escaped(value) if type(value) is str else value,
)


def page(figures: Iterable[tuple[Written, Figure]], look: Look) -> str:
    """Return an HTML page of films with their `figures`, which refers to nothing outside itself."""
    shown = [(found.cell, found.best.text, svg_in_base64(figure)) for found, figure in figures]
    return _TEMPLATES.get_template("page.html").render(of=look.caption, shown=shown)

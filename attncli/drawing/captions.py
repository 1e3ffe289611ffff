"""A line below a figure that says whose it is."""

from __future__ import annotations

from matplotlib.figure import Figure

from attncli.drawing.figures import GREY
from attncli.drawing.fonts import fonts_for
from attncli.drawing.wrapping import measure_of, wrapped

_SIZE = 8.0
_NARROWEST = 2.0  # inches of a line


def add_caption(figure: Figure, text: str, *, left: float, top: float, width: float) -> None:
    """Write `text` small, in lines of about `width`; lengths are in inches from the lower left corner of `figure`."""
    families = list(fonts_for([text]).families)
    lines = wrapped(text, max(width, _NARROWEST), measure_of(families, _SIZE))
    whole = figure.get_size_inches()
    figure.text(
        left / whole[0],
        top / whole[1],
        "\n".join(lines),
        va="top",
        fontsize=_SIZE,
        color=GREY,
        parse_math=False,
        fontfamily=families,
    )

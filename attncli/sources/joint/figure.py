"""A figure of several sources: a column for each output token, and in it a panel for each source.

Lengths are in inches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from matplotlib.figure import Figure

from attncli.drawing.captions import add_caption
from attncli.drawing.figures import GREY, new_figure
from attncli.drawing.fonts import fonts_for
from attncli.drawing.labels import readable
from attncli.errors import escaped
from attncli.sources.joint.looks import Looks
from attncli.sources.panel import Panel
from attncli.sources.source import Drawer, Look

_WIDTH, _GAP = 2.6, 0.3  # of a column, and between two
_TITLE, _NOTE = 0.32, 0.22  # heights: of the token above a column, and of the line above a panel
_COLUMNS = 4


def looks_figure(looks: Looks, drawers: Mapping[str, Drawer], look: Look, *, largest: float | None = None) -> Figure:
    """Return every token of the output over the sources, each shaded by the weights of the token.

    Above each panel stands how much of the weight lies on that source. The strongest shade of a panel stands for
    `largest`, by default for the largest weight of the token over that source.
    """
    panels = {name: drawers[name].panel(part, width=_WIDTH) for name, part in looks.attended.items()}
    labels = looks.labels
    fonts = fonts_for([*labels, *readable(tuple(panels))])
    across = min(_COLUMNS, len(labels))
    down = math.ceil(len(labels) / across)
    tall = _TITLE + sum(_NOTE + panel.height + 0.08 for panel in panels.values())
    width, height = across * (_WIDTH + _GAP), down * tall
    figure = new_figure(width, height)
    for token, label in enumerate(labels):
        left, top = token % across * (_WIDTH + _GAP), height - token // across * tall
        where = (left + _WIDTH / 2) / width, (top - 0.03) / height
        figure.text(*where, label, ha="center", va="top", fontsize=13, family=fonts.families, parse_math=False)
        _draw_column(figure, looks, panels, token, look, left=left, top=top - _TITLE, largest=largest)
    others = [escaped(f"{name}: {text}") for name, text in looks.sources.items() if name not in panels]
    add_caption(figure, " · ".join([*others, look.caption]), left=0.0, top=-0.05, width=width)
    return figure


def _draw_column(
    figure: Figure,
    looks: Looks,
    panels: Mapping[str, Panel],
    token: int,
    look: Look,
    *,
    left: float,
    top: float,
    largest: float | None,
) -> None:
    width, height = figure.get_size_inches()
    for name, panel in panels.items():
        note = f"{readable((name,))[0]}: {100 * looks.share(name, token):.0f} % of the weight"
        figure.text(left / width, (top - 0.06) / height, note, va="top", fontsize=8, color=GREY, parse_math=False)
        bottom = top - _NOTE - panel.height
        inset = (_WIDTH - panel.width) / 2
        box = ((left + inset) / width, bottom / height, panel.width / width, panel.height / height)
        panel.draw(figure.add_axes(box), token, colormap=look.colormap, largest=largest)
        top = bottom - 0.08

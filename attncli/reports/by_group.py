"""A score by group: a row a group, and in it a point a variant with its bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from attncli.drawing.figures import COLOURS, GREY, MARKERS, new_figure
from attncli.drawing.fonts import fonts_for
from attncli.errors import escaped
from attncli.evaluation.report import Report, VariantReport
from attncli.reports.length_lines import axis_label, overall
from attncli.reports.rows import by_group_heading

_APART = 0.25  # of a row, between two variants
_WIDTH, _ROW_HEIGHT, _AROUND = 7.0, 0.55, 1.4  # inches


def by_group_figure(report: Report) -> Figure:
    """Return the score of every variant of `report` on every group of sources, from 0, with how many those are."""
    groups, variants = report.variants[0].by_group, report.variants
    height = _APART * (len(variants) + 2)  # of a group, in rows
    figure = new_figure(_WIDTH, _AROUND + _ROW_HEIGHT * height * len(groups))
    axes = figure.subplots()
    rows = np.arange(len(groups)) * height
    for number, variant in enumerate(variants):
        _draw_points(axes, report, variant, number, rows + (number - (len(variants) - 1) / 2) * _APART)
    labels = [f"{found.group} ({found.sources})" for found in groups]
    axes.set_yticks(rows, labels, fontfamily=fonts_for(labels).families)
    # The first group stands on top.
    axes.set_ylim(rows[-1] + height / 2, -height / 2)
    axes.set_xlim(left=min(0.0, *(found.score.low for variant in variants for found in variant.by_group)))
    axes.set_xlabel(axis_label(report))
    axes.grid(axis="x", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    _write_around(axes, report)
    return figure


def _draw_points(
    axes: Axes, report: Report, variant: VariantReport, number: int, rows: NDArray[np.floating[Any]]
) -> None:
    """Draw the scores of `variant` with their bounds at `rows`; `number` chooses colour and marker."""
    scores, colour = [found.score for found in variant.by_group], COLOURS[number % len(COLOURS)]
    axes.hlines(rows, [each.low for each in scores], [each.high for each in scores], color=colour, linewidth=1.6)
    axes.plot(
        [each.score for each in scores],
        rows,
        # A leading underscore would hide a name from the legend.
        label=f" {variant.name} ({overall(report, variant)}\u00a0overall)",
        gid=variant.name,
        color=colour,
        marker=MARKERS[number % len(MARKERS)],
        markersize=6,
        linestyle="none",
        clip_on=False,
    )


def _write_around(axes: Axes, report: Report) -> None:
    """Write the title, how to read the points, and the legend."""
    headline = f"{escaped(report.test)}: {by_group_heading(report)}"
    families = fonts_for([headline, *(variant.name for variant in report.variants)]).families
    axes.set_title(headline, loc="left", fontsize=11, pad=20, parse_math=False, fontfamily=families)
    note = f"lines: 95 % bounds; in brackets: {report.noun}s"
    axes.annotate(note, (0, 1), (0, 6), xycoords="axes fraction", textcoords="offset points", fontsize=9, color=GREY)
    # Beside the points, where it hides none.
    legend = axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, prop={"family": families})
    for text in (*legend.get_texts(), *axes.get_yticklabels()):
        text.set_parse_math(False)

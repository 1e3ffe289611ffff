"""A score against length: one line a variant, its bounds, and how many sources each point stands for."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from attncli.drawing.figures import COLOURS, GREY, new_figure
from attncli.drawing.wrapping import measure_of, wrapped
from attncli.evaluation.report import Report
from attncli.reports.by_length_panels import panels_figure
from attncli.reports.length_lines import (
    axis_label,
    draw_line,
    families_of,
    finish_axes,
    is_small,
    label_lengths,
    notes,
    overall,
    title,
)

# The most variants whose lines can be distinguished in one panel.
MOST_TOGETHER = len(COLOURS)
_NAME_WIDTH = 2.4  # inches of a line of the legend
_WIDEST = 14.0
_PALE = "#e6e6e6"


def by_length_figure(report: Report) -> Figure:
    """Return the score by length of all variants of `report`, from 0: in one panel, or of many in a panel each.

    Points of few sources are pale and hollow.
    """
    return _together(report) if len(report.variants) <= MOST_TOGETHER else panels_figure(report)


def _together(report: Report) -> Figure:
    bins = report.variants[0].by_length
    width = min(max(7.0, 1.8 + 0.85 * len(bins)), _WIDEST)
    figure = new_figure(width, 5.2)
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1), gridspec_kw={"hspace": 0.07})
    # Neighbouring lines stand a little apart, so that their bounds do not hide each other.
    middle, apart = (len(report.variants) - 1) / 2, min(0.08, 0.4 / len(report.variants))
    handles = [
        draw_line(axes, variant, number, shift=(number - middle) * apart)
        for number, variant in enumerate(report.variants)
    ]
    finish_axes(axes, report)
    axes.set_ylabel(axis_label(report))
    _head(axes, report, width)
    _draw_legend(axes, report, handles)
    _draw_counts(counts, report)
    label_lengths(counts, [found.label for found in bins], size=10, width=0.775 * width)
    counts.set_xlabel(report.length)
    return figure


def _head(axes: Axes, report: Report, width: float) -> None:
    """Put the title above `axes` of a figure of `width` inches, and under the title how to read the lines."""
    families = families_of(report)
    lines = wrapped(notes(report), 0.775 * width, measure_of(families, 9))
    axes.annotate(
        "\n".join(lines), (0, 1), (0, 6), xycoords="axes fraction", textcoords="offset points", fontsize=9, color=GREY
    )
    headline = "\n".join(wrapped(title(report), 0.775 * width, measure_of(families, 11)))
    axes.set_title(headline, loc="left", fontsize=11, pad=8 + 13 * len(lines), parse_math=False, fontfamily=families)


def _draw_legend(axes: Axes, report: Report, handles: Sequence[Line2D]) -> None:
    families = families_of(report)
    measure = measure_of(families, 10)
    # A leading underscore would hide a name from the legend.
    labels = [
        " " + "\n ".join(wrapped(f"{variant.name} ({overall(report, variant)}\u00a0overall)", _NAME_WIDTH, measure))
        for variant in report.variants
    ]
    # Beside the lines: there may be no place among them where it hides none.
    legend = axes.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        frameon=False,
        prop={"family": families, "size": 10},
        labelspacing=0.7,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _draw_counts(axes: Axes, report: Report) -> None:
    bins = report.variants[0].by_length
    sources = [found.sources for found in bins]
    axes.bar(range(len(bins)), sources, width=0.6, color=[_PALE if is_small(found) else "#bbbbbb" for found in bins])
    for position, count in enumerate(sources):
        axes.annotate(
            str(count), (position, count), (0, 2), textcoords="offset points", ha="center", color=GREY, size=9
        )
    axes.set_ylim(0, max(sources) * 1.6)
    axes.set_yticks([])
    axes.set_ylabel(f"{report.noun}s", rotation=0, ha="right", va="center", color=GREY, fontsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)

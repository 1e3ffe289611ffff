"""Scores of many variants by length: a panel each, before the grey lines of all others."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attncli.drawing.figures import GREY, new_figure
from attncli.drawing.wrapping import measure_of, wrapped
from attncli.evaluation.report import Report
from attncli.reports.length_lines import (
    axis_label,
    draw_line,
    families_of,
    finish_axes,
    label_lengths,
    notes,
    overall,
    scores_of,
    title,
)

_PANELS_WIDTH = 9.6  # inches of all panels side by side
_PANEL_HEIGHT = 1.7
_NAME_SIZE, _NAME_LINE = 9.5, 0.18  # points, and inches of a line of them
_LEFT, _GAP = 0.7, 0.15  # inches: for the scale, and between panels


def panels_figure(report: Report) -> Figure:
    """Return a panel a variant, with its name and overall score, and the dashed line of the first variant."""
    columns = _columns(len(report.variants))
    names = _names(report, _PANELS_WIDTH / columns - _GAP)
    rows = [names[start : start + columns] for start in range(0, len(names), columns)]
    heads = [0.1 + _NAME_LINE * max(name.count("\n") + 1 for name in row) for row in rows]
    top, bottom = 0.25 + 0.2 * len(_head(report)), 0.7
    width, height = _LEFT + _PANELS_WIDTH, top + sum(heads) + len(rows) * _PANEL_HEIGHT + bottom
    figure = new_figure(width, height)
    at = height - top
    for number, row in enumerate(rows):
        at -= heads[number] + _PANEL_HEIGHT
        for column, name in enumerate(row):
            left = _LEFT + column * _PANELS_WIDTH / columns
            box = (left / width, at / height, (_PANELS_WIDTH / columns - _GAP) / width, _PANEL_HEIGHT / height)
            axes = figure.add_axes(box)
            _draw_panel(axes, report, number * columns + column, name, columns=columns)
    _write_around(figure, report)
    return figure


def _columns(panels: int) -> int:
    """Return 3 or 4, whichever leaves fewer places empty."""
    return min((4, 3), key=lambda columns: -panels % columns)


def _names(report: Report, width: float) -> list[str]:
    measure = measure_of(families_of(report), _NAME_SIZE)
    return [
        "\n".join(wrapped(f"{variant.name} ({overall(report, variant)})", width, measure))
        for variant in report.variants
    ]


def _head(report: Report) -> Sequence[str]:
    first, label = report.variants[0].name, report.by_length_metric.label
    text = f"{notes(report)}; grey: all others; dashed: {first}; in brackets: {label} of all lengths"
    return wrapped(text, _PANELS_WIDTH, measure_of(families_of(report), 9))


def _draw_panel(axes: Axes, report: Report, number: int, name: str, *, columns: int) -> None:
    finish_axes(axes, report)
    for variant in report.variants:
        axes.plot(scores_of(variant.by_length), color="#cccccc", linewidth=0.8)
    if number:
        axes.plot(scores_of(report.variants[0].by_length), "--", color="black", linewidth=1.1)
    draw_line(axes, report.variants[number], 0, size=4)
    axes.set_title(name, loc="left", fontsize=_NAME_SIZE, parse_math=False, fontfamily=families_of(report))
    axes.tick_params(axis="y", labelleft=number % columns == 0, labelsize=9)
    if number % columns == 0:
        axes.set_ylabel(axis_label(report), fontsize=9)
    bins = report.variants[number].by_length
    labels = [f"{found.label}\n{found.sources}" for found in bins]
    label_lengths(axes, labels, size=7, width=_PANELS_WIDTH / columns - _GAP)
    # A panel with nothing below it has the lengths, even where others in its row have something below them.
    axes.tick_params(axis="x", labelbottom=number + columns >= len(report.variants))


def _write_around(figure: Figure, report: Report) -> None:
    """Write title and explanations above the panels, and what is on their axes below."""
    width, height = figure.get_size_inches()
    families, left = families_of(report), _LEFT / width
    figure.suptitle(
        title(report),
        x=left,
        y=1 - 0.02 / height,
        ha="left",
        va="top",
        fontsize=11,
        parse_math=False,
        fontfamily=families,
    )
    figure.text(
        left,
        1 - 0.24 / height,
        "\n".join(_head(report)),
        va="top",
        fontsize=9,
        color=GREY,
        parse_math=False,
        fontfamily=families,
    )
    below = f"{report.length}, and below them {report.noun}s"
    figure.supxlabel(below, x=left, y=0.1 / height, ha="left", fontsize=9)

"""A score against length: one line a variant, its bounds, and how many sources each point stands for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from attncli.drawing.figures import COLOURS, GREY, MARKERS, new_figure
from attncli.drawing.fonts import fonts_for
from attncli.errors import escaped
from attncli.evaluation.report import BinScore, Report, VariantReport
from attncli.metrics.metric import Metric
from attncli.metrics.registry import ALL_METRICS
from attncli.reports.text import length_score_name

# The most variants whose lines can be distinguished in one panel.
MOST_TOGETHER = len(COLOURS)
_COLUMNS = 4


def by_length_figure(report: Report) -> Figure:
    """Return the score by length of all variants of `report`, from 0: in one panel, or of many in a panel each."""
    return _together(report) if len(report.variants) <= MOST_TOGETHER else _apart(report)


def _title(report: Report) -> str:
    seeds = "; thin: single seeds" if report.has_seeds else ""
    return f"{escaped(report.test)}: {length_score_name(report)} by length (shaded: 95 % bounds{seeds})"


def _families(report: Report) -> list[str]:
    return list(fonts_for([_title(report), *(variant.name for variant in report.variants)]).families)


def _metric(report: Report) -> Metric:
    return ALL_METRICS[report.length_metric]


def _overall(report: Report, variant: VariantReport) -> str:
    digits = _metric(report).digits - 1
    return f"{variant.scores[report.length_metric].score:.{digits}f}"


def _least_top(report: Report) -> float:
    """Return the least upper end of the axis, so that scores near 0 look small: 1 for percentages, 0.1 for CIDEr."""
    return float(10 ** (2 - _metric(report).digits))


def _scores(bins: Sequence[BinScore]) -> np.ndarray:
    return np.array([found.score.score for found in bins])


def _draw_line(axes: Axes, variant: VariantReport, number: int, *, shift: float = 0.0) -> Line2D:
    """Draw the scores of `variant` with their bounds, and those of each of its runs if it has several."""
    positions = np.arange(len(variant.by_length)) + shift
    lows = np.array([found.score.low for found in variant.by_length])
    highs = np.array([found.score.high for found in variant.by_length])
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    axes.fill_between(positions, lows, highs, color=colour, alpha=0.16, linewidth=0)
    axes.vlines(positions, lows, highs, color=colour, linewidth=1.4, alpha=0.8)
    for system in variant.systems if len(variant.systems) > 1 else ():
        axes.plot(positions, _scores(system.by_length), color=colour, linewidth=0.7, alpha=0.7)
    # A marker at 0 is whole only if the axis does not clip it.
    [line] = axes.plot(
        positions,
        _scores(variant.by_length),
        color=colour,
        marker=marker,
        markersize=6.5,
        linewidth=2.2,
        clip_on=False,
        gid=variant.name,
    )
    return line


def _finish_axes(axes: Axes, report: Report) -> None:
    top = max(found.score.high for variant in report.variants for found in variant.by_length)
    axes.set_ylim(0, max(_least_top(report), top * 1.08))
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="x", length=0)


# All in one panel


def _together(report: Report) -> Figure:
    bins = report.variants[0].by_length
    figure = new_figure(max(7.0, 1.8 + 0.85 * len(bins)), 5.2)
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1), gridspec_kw={"hspace": 0.07})
    # Neighbouring lines stand a little apart, so that their bounds do not hide each other.
    middle, apart = (len(report.variants) - 1) / 2, min(0.08, 0.4 / len(report.variants))
    handles = [
        _draw_line(axes, variant, number, shift=(number - middle) * apart)
        for number, variant in enumerate(report.variants)
    ]
    _finish_axes(axes, report)
    axes.set_ylabel(_metric(report).label)
    axes.set_title(_title(report), loc="left", fontsize=11, parse_math=False, fontfamily=_families(report))
    _draw_legend(axes, report, handles)
    _draw_counts(counts, [found.sources for found in bins], noun=report.noun)
    counts.set_xticks(range(len(bins)), [found.label for found in bins])
    counts.set_xlabel(f"words of the {report.length_of}")
    return figure


def _draw_legend(axes: Axes, report: Report, handles: Sequence[Line2D]) -> None:
    # A leading underscore would hide a name from the legend.
    labels = [f" {variant.name}  ({_overall(report, variant)} overall)" for variant in report.variants]
    font = {"family": _families(report)}
    # Beside the lines: there may be no place among them where it hides none.
    legend = axes.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=10, frameon=False, prop=font
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _draw_counts(axes: Axes, sources: Sequence[int], *, noun: str) -> None:
    axes.bar(range(len(sources)), sources, width=0.6, color="#cccccc")
    for position, count in enumerate(sources):
        axes.annotate(
            str(count), (position, count), (0, 2), textcoords="offset points", ha="center", color=GREY, size=9
        )
    axes.set_ylim(0, max(sources) * 1.6)
    axes.set_yticks([])
    axes.set_ylabel(f"{noun}s", rotation=0, ha="right", va="center", color=GREY, fontsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)


# A panel each


def _apart(report: Report) -> Figure:
    """Return a panel a variant, before the pale lines of all others and the dashed one of the first."""
    count, bins = len(report.variants), report.variants[0].by_length
    rows = -(-count // _COLUMNS)
    height = 1.0 + 2.1 * rows
    figure = new_figure(_COLUMNS * max(2.6, 0.45 * len(bins)), height)
    figure.subplots_adjust(top=1 - 0.55 / height, bottom=0.65 / height)
    grid = figure.subplots(
        rows, _COLUMNS, sharex=True, sharey=True, squeeze=False, gridspec_kw={"hspace": 0.3, "wspace": 0.08}
    )
    for number, (axes, variant) in enumerate(zip(grid.flat, report.variants, strict=False)):
        _draw_panel(axes, report, number)
        is_lowest = number + _COLUMNS >= count
        # A panel with nothing below it has the lengths, even where others in its row have something below them.
        axes.tick_params(axis="x", labelbottom=is_lowest, labelsize=7)
        title = f"{variant.name}  {_overall(report, variant)}"
        axes.set_title(title, loc="left", fontsize=10, parse_math=False, fontfamily=_families(report))
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel(_metric(report).label)
    grid[0, 0].set_xticks(range(len(bins)), [f"{found.label}\n{found.sources}" for found in bins])
    first = report.variants[0].name
    notes = f"{_title(report)}; dashed: {first}; grey: all others; beside a name: {_metric(report).label} overall"
    place = {"x": figure.subplotpars.left, "ha": "left", "fontsize": 9}
    figure.suptitle(notes, y=1 - 0.1 / height, va="top", parse_math=False, fontfamily=_families(report), **place)
    figure.supxlabel(f"words of the {report.length_of}, and below them {report.noun}s", y=0.05 / height, **place)
    return figure


def _draw_panel(axes: Axes, report: Report, number: int) -> None:
    _finish_axes(axes, report)
    axes.set_ylim(
        0, max(_least_top(report), 1.25 * max(_scores(variant.by_length).max() for variant in report.variants))
    )
    for variant in report.variants:
        axes.plot(_scores(variant.by_length), color="#cccccc", linewidth=0.8)
    if number:
        axes.plot(_scores(report.variants[0].by_length), "--", color="black", linewidth=1.1)
    line = _draw_line(axes, report.variants[number], 0)
    line.set_markersize(4)

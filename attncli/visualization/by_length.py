"""BLEU against sentence length: one line a system, its bounds, and how many sentences each point stands for."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from attncli.evaluation.report import Report, SystemReport
from attncli.visualization.figures import COLOURS, GREY, MARKERS, new_figure
from attncli.visualization.fonts import fonts_for


def by_length_figure(report: Report) -> Figure:
    """Return BLEU by length of all systems of `report`, from 0, over a strip of sentence counts."""
    bins = report.systems[0].by_length
    figure = new_figure(max(7.0, 1.8 + 0.85 * len(bins)), 5.2)
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1), gridspec_kw={"hspace": 0.07})
    handles = [_draw_system(axes, system, number, len(report.systems)) for number, system in enumerate(report.systems)]
    _finish_scores(axes, report, handles)
    _draw_counts(counts, [found.sentences for found in bins])
    counts.set_xticks(range(len(bins)), [found.label for found in bins])
    counts.set_xlabel(f"words of the {report.length_of}")
    return figure


def _draw_system(axes: Axes, system: SystemReport, number: int, systems: int) -> Line2D:
    # Neighbouring systems stand a little apart, so that their bounds do not hide each other.
    positions = np.arange(len(system.by_length)) + (number - (systems - 1) / 2) * min(0.08, 0.4 / systems)
    scores = np.array([found.bleu.score for found in system.by_length])
    lows = np.array([found.bleu.low for found in system.by_length])
    highs = np.array([found.bleu.high for found in system.by_length])
    colour = COLOURS[number % len(COLOURS)]
    axes.fill_between(positions, lows, highs, color=colour, alpha=0.16, linewidth=0)
    axes.vlines(positions, lows, highs, color=colour, linewidth=1.4, alpha=0.8)
    dashes = "-" if number < len(COLOURS) else "--"
    marker = MARKERS[number % len(MARKERS)]
    # A marker at 0 is whole only if the axis does not clip it.
    [line] = axes.plot(
        positions, scores, dashes, color=colour, marker=marker, markersize=6.5, linewidth=2.2, clip_on=False
    )
    return line


def _finish_scores(axes: Axes, report: Report, handles: list[Line2D]) -> None:
    top = max(found.bleu.high for system in report.systems for found in system.by_length)
    axes.set_ylim(0, max(1.0, top * 1.08))
    axes.set_ylabel("BLEU")
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="x", length=0)
    title = f"{report.test}: BLEU by length (shaded: 95 % bounds)"
    families = list(fonts_for([title, *(system.name for system in report.systems)]).families)
    axes.set_title(title, loc="left", fontsize=11, parse_math=False, fontfamily=families)
    # A leading underscore would hide a name from the legend.
    labels = [f" {system.name}  ({system.scores['bleu'].score:.1f} overall)" for system in report.systems]
    legend = axes.legend(handles, labels, loc="best", fontsize=10, framealpha=0.9, prop={"family": families})
    for text in legend.get_texts():
        text.set_parse_math(False)


def _draw_counts(axes: Axes, sentences: list[int]) -> None:
    axes.bar(range(len(sentences)), sentences, width=0.6, color="#cccccc")
    for position, count in enumerate(sentences):
        axes.annotate(
            str(count), (position, count), (0, 2), textcoords="offset points", ha="center", color=GREY, size=9
        )
    axes.set_ylim(0, max(sentences) * 1.6)
    axes.set_yticks([])
    axes.set_ylabel("sentences", rotation=0, ha="right", va="center", color=GREY, fontsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)

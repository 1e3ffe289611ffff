"""What figures of a score by length have in common: lines with their bounds, axes, and the words around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D

from attncli.drawing.figures import COLOURS, MARKERS
from attncli.drawing.fonts import fonts_for
from attncli.drawing.wrapping import measure_of
from attncli.errors import escaped
from attncli.evaluation.report import BinScore, Report, VariantReport
from attncli.reports.rows import length_score_name

FEW = 30
"""Bins of fewer sources are pale: resampling so few finds bounds that are too narrow, and of one source none."""
_PALE = 0.4  # opacity


def is_small(found: BinScore) -> bool:
    """Return whether the score stands for few sources."""
    return found.sources < FEW


def title(report: Report) -> str:
    """Return what is drawn of which test set."""
    return f"{escaped(report.test)}: {length_score_name(report)} by length"


def notes(report: Report) -> str:
    """Return how to read the lines."""
    bins = report.variants[0].by_length
    parts = ["shaded: 95 % bounds"]
    if report.has_seeds:
        parts.append("thin: single seeds")
    if any(map(is_small, bins)):
        parts.append(f"pale and hollow: fewer than {FEW} {report.noun}s")
    return "; ".join(parts)


def families_of(report: Report) -> list[str]:
    """Return the fonts for all names in the figure."""
    return list(fonts_for([title(report), *(variant.name for variant in report.variants)]).families)


def axis_label(report: Report) -> str:
    """Return the name of the score."""
    metric = report.by_length_metric
    return f"{metric.label} (lower is better)" if metric.lower_is_better else metric.label


def overall(report: Report, variant: VariantReport) -> str:
    """Return the score of `variant` on all lengths together."""
    digits = report.by_length_metric.digits - 1
    return f"{variant.scores[report.length_metric].score:.{digits}f}"


def scores_of(bins: Sequence[BinScore]) -> np.ndarray:
    """Return the score of each bin."""
    return np.array([found.score.score for found in bins])


def draw_line(axes: Axes, variant: VariantReport, number: int, *, shift: float = 0.0, size: float = 6.5) -> Line2D:
    """Draw the scores of `variant` with their bounds, and those of each of its runs if it has several.

    `number` chooses colour and marker, of `size` points. Scores of few sources are pale and their markers hollow.
    Returns the line of the others.
    """
    bins = variant.by_length
    positions, scores, small = np.arange(len(bins)) + shift, scores_of(bins), np.array([*map(is_small, bins)])
    lows, highs = (np.array([getattr(found.score, end) for found in bins]) for end in ("low", "high"))
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    axes.fill_between(positions, lows, highs, color=colour, alpha=0.16, linewidth=0)
    axes.vlines(positions, lows, highs, colors=[to_rgba(colour, _PALE if few else 0.8) for few in small], linewidth=1.4)
    for system in variant.systems if len(variant.systems) > 1 else ():
        axes.plot(positions, scores_of(system.by_length), color=colour, linewidth=0.7, alpha=0.7)
    look: dict[str, Any] = {"marker": marker, "markersize": size, "linewidth": 2.2, "clip_on": False}
    axes.plot(positions, scores, color=to_rgba(colour, _PALE), markerfacecolor="white", **look)
    # Strong as far as both ends of a stroke stand for enough.
    [line] = axes.plot(positions, np.where(small, np.nan, scores), color=colour, gid=variant.name, **look)
    return line


def finish_axes(axes: Axes, report: Report) -> None:
    """Give `axes` limits that hold all lines and bounds, from 0 and in half a bin's distance from the sides."""
    # Single seeds are drawn, too.
    bins = [each.by_length for each in report.variants] + [each.by_length for each in report.systems]
    scores = [found.score for each in bins for found in each]
    # So high at least that scores near 0 look small: 1 for percentages, 0.1 for CIDEr.
    least_top = float(10 ** (2 - report.by_length_metric.digits))
    low, high = min(0.0, *(score.low for score in scores)), max(least_top, *(score.high for score in scores))
    axes.set_ylim(low * 1.08, high * 1.08)
    axes.set_xlim(-0.5, len(report.variants[0].by_length) - 0.5)
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="x", length=0)


def label_lengths(axes: Axes, labels: Sequence[str], *, size: float, width: float) -> None:
    """Label the bins along `axes` of `width` inches, upright where they would overlap."""
    measure = measure_of(fonts_for(labels).families, size)
    widest = max(measure(line) for label in labels for line in label.split("\n"))
    fits = widest * 1.08 <= width / len(labels)
    axes.set_xticks(range(len(labels)), labels if fits else [label.replace("\n", ": ") for label in labels])
    axes.tick_params(axis="x", labelsize=size, rotation=0 if fits else 90)

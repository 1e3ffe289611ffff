"""Reconstruction error against the width of the bottleneck: a line for PCA, a point with its bounds for each run."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from attncli.drawing.figures import COLOURS, GREY, MARKERS, new_figure
from attncli.drawing.fonts import fonts_for
from attncli.errors import escaped
from attncli.evaluation.autoencoder_report import AutoencoderReport


def by_bottleneck_figure(report: AutoencoderReport) -> Figure:
    """Return the errors of `report` from clean input, both axes logarithmic."""
    figure = new_figure(7.0, 4.6)
    axes = figure.subplots()
    widths = sorted({system.bottleneck for system in report.systems})
    ends = max(1, widths[0] // 2), min(2 * widths[-1], len(report.pca_curve) - 1)
    _draw_pca(axes, report, smallest=ends[0], largest=ends[1])
    for number, system in enumerate(report.systems):
        mse, colour = system.clean.mse, COLOURS[(number + 1) % len(COLOURS)]
        axes.vlines([system.bottleneck], mse.low, mse.high, color=colour, linewidth=1.4)
        label = f" {system.name}  ({mse.value:.3g})"
        marker = MARKERS[number % len(MARKERS)]
        axes.plot(
            [system.bottleneck], [mse.value], linestyle="", color=colour, marker=marker, markersize=8, label=label
        )
    _finish(axes, report, sorted({*ends, *widths}))
    return figure


def _draw_pca(axes: Axes, report: AutoencoderReport, *, smallest: int, largest: int) -> None:
    counts = np.arange(smallest, largest + 1)
    errors = report.pca_curve[counts]
    # What is left of an exact reconstruction is rounding, and has no place on a logarithmic axis.
    shown = errors > 1e-12
    axes.plot(counts[shown], errors[shown], color=GREY, linewidth=1.8, label="PCA")


def _finish(axes: Axes, report: AutoencoderReport, ticks: list[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("width of the bottleneck")
    axes.set_ylabel("mean squared error a component")
    axes.grid(color="#dddddd", linewidth=0.8, which="both", axis="y")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    title = f"{escaped(report.test)}: reconstruction error from clean input"
    families = list(fonts_for([title, *(system.name for system in report.systems)]).families)
    axes.set_title(title, loc="left", fontsize=11, parse_math=False, fontfamily=families)
    for text in axes.legend(fontsize=10, framealpha=0.9, prop={"family": families}).get_texts():
        text.set_parse_math(False)

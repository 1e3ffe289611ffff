"""Training curves: loss, dev score, learning rate and gradient norm over the steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attncli.drawing.figures import COLOURS, GREY, new_figure
from attncli.drawing.fonts import fonts_for
from attncli.metrics.registry import ALL_METRICS
from attncli.runs.log import Curve, TrainingLog

_PARTS = {"cross_entropy": "cross-entropy", "ctc": "CTC"}  # of a joint loss
_WIDE = 20.0  # from this ratio of the largest value to the smallest on, the scale is logarithmic


def curves_figure(log: TrainingLog, *, title: str, loss: str = "nats a token", metric: str = "bleu") -> Figure:
    """Return the curves of `log`, a panel for each kind of number in it.

    `loss` is the unit of the loss, and `metric` the score of the dev set to draw.
    """
    panels: list[tuple[bool, Callable[[Axes, TrainingLog], str]]] = [
        (_has(log, ("train", "loss"), ("validation", "loss")), partial(_draw_loss, what=loss)),
        (metric != "loss" and _has(log, ("validation", metric)), partial(_draw_score, key=metric)),
        (_has(log, ("train", "learning_rate")), _draw_rate),
        (_has(log, ("train", "gradient_norm")), _draw_norm),
    ]
    shown = [draw for is_there, draw in panels if is_there]
    last_step = max(record["step"] for record in (*log.train, *log.validation))
    rows = (len(shown) + 1) // 2
    height = 0.5 + 3.1 * rows
    figure = new_figure(10.0, height)
    grid = figure.subplots(rows, 2, squeeze=False, gridspec_kw={"hspace": 0.38, "wspace": 0.22})
    for axes, draw in zip(grid.flat, shown, strict=False):
        _finish(axes, draw(axes, log), last_step=last_step)
    for axes in grid.flat[len(shown) :]:
        axes.set_visible(False)
    families = list(fonts_for([title]).families)
    top = figure.subplotpars.top + 0.45 / height
    figure.suptitle(title, x=figure.subplotpars.left, y=top, ha="left", fontfamily=families, parse_math=False)
    return figure


def _has(log: TrainingLog, *curves: tuple[str, str]) -> bool:
    return any(log.curve(event, key).steps for event, key in curves)


def _draw_loss(axes: Axes, log: TrainingLog, *, what: str) -> str:
    train, dev = log.curve("train", "loss"), log.curve("validation", "loss")
    label = f"loss ({what})"
    if train.steps:
        _plot(axes, train, COLOURS[0], label="training")
    if dev.steps:
        _plot(axes, dev, COLOURS[1], label="dev", points=True)
        label += f", best dev {_mark_best(axes, dev, min(dev.values), '#.4g')}"
    for (key, name), colour in zip(_PARTS.items(), COLOURS[2:], strict=False):
        if (part := log.curve("validation", key)).steps:
            _plot(axes, part, colour, label=f"dev, {name} alone", points=True)
    axes.legend(fontsize=9, framealpha=0.9)
    return label


def _draw_score(axes: Axes, log: TrainingLog, *, key: str) -> str:
    metric, curve = ALL_METRICS[key], log.curve("validation", key)
    best = min(curve.values) if metric.lower_is_better else max(curve.values)
    _plot(axes, curve, COLOURS[1], label="dev", points=True)
    axes.set_ylim(0, 1.08 * max(curve.values) or 1.0)
    return f"dev {metric.label}, best {_mark_best(axes, curve, best, f'.{metric.digits}f')}"


def _draw_rate(axes: Axes, log: TrainingLog) -> str:
    rate = log.curve("train", "learning_rate")
    _plot(axes, rate, COLOURS[0], label="learning rate")
    axes.set_ylim(0, max(1e-12, 1.08 * max(rate.values)))
    axes.yaxis.set_major_formatter("{x:g}")
    return "learning rate"


def _draw_norm(axes: Axes, log: TrainingLog) -> str:
    norm = log.curve("train", "gradient_norm")
    _plot(axes, norm, COLOURS[0], label="gradient norm")
    positive = [value for value in norm.values if value > 0]
    if positive and max(positive) > _WIDE * min(positive):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    return "gradient norm"


def _plot(axes: Axes, curve: Curve, colour: str, *, label: str, points: bool = False) -> None:
    # A single point has no line that would show it.
    marker = "o" if points or len(curve.steps) == 1 else ""
    axes.plot(curve.steps, curve.values, color=colour, label=label, marker=marker, markersize=4, linewidth=1.6)


def _mark_best(axes: Axes, curve: Curve, best: float, form: str) -> str:
    step = curve.steps[curve.values.index(best)]
    axes.plot([step], [best], marker="o", markersize=9, markerfacecolor="none", markeredgecolor=COLOURS[1])
    return f"{best:{form}} at step {step:,}"


def _finish(axes: Axes, label: str, *, last_step: int) -> None:
    axes.set_xlim(-0.02 * last_step, max(1.02 * last_step, 1))
    axes.set_title(label, loc="left", fontsize=10)
    axes.set_xlabel("step", color=GREY)
    axes.locator_params(axis="x", nbins=6)
    axes.xaxis.set_major_formatter("{x:,.10g}")
    axes.grid(color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)

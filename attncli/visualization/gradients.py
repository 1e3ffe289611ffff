"""The gradient of the loss at encoder states, by their distance from the last one.

M sentences, N states before the end of each.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from attncli.config.attention import Attention
from attncli.config.sources.text import RecurrentEncoder as RecurrentEncoderConfig
from attncli.data.forms.forms import open_form
from attncli.data.tokens import pad_tokens
from attncli.drawing.figures import COLOURS, GREY, new_figure
from attncli.drawing.fonts import fonts_for
from attncli.errors import RunError, escaped
from attncli.evaluation.test_set import DEV, chosen_split
from attncli.models.state_gradients import StateGradients, state_gradients
from attncli.runs.writing import WritingRun

SENTENCES = 100
"""How many sentences are measured: those with the longest sources."""

_BATCH = 20
_SMALLEST = 1e-12  # the lowest norm to draw, relative to the largest

Norms = NDArray[np.float64]


@dataclass(frozen=True)
class GradientProfile:
    """Norms of the loss's gradient at the last N states of M sentences, which all have at least N."""

    run: str
    cell: str
    attends: bool
    total: Norms  # [M, N], the last state first
    later: Norms  # [M, N], what comes through later states alone

    def as_json(self) -> dict[str, Any]:
        """Return median and quartiles over the sentences, by the number of states that come after."""
        return {
            "run": self.run,
            "cell": self.cell,
            "attention": self.attends,
            "sentences": len(self.total),
            "states_after": list(range(self.total.shape[1])),
            "total": _quartiles(self.total),
            "through_later_states": _quartiles(self.later),
        }


def _quartiles(norms: Norms) -> dict[str, list[float]]:
    names = ("lower_quartile", "median", "upper_quartile")
    return {name: row.tolist() for name, row in zip(names, np.percentile(norms, [25, 50, 75], axis=0), strict=True)}


def measured_pairs(run: WritingRun, test: str | None) -> tuple[list[tuple[str, str]], str]:
    """Return the pairs of the test set `test` of `run`, or of its dev set, and a description of the measured ones."""
    name, key = (DEV, "dev") if test is None else chosen_split(run.config.data, test, where=run.folder)
    name = "the dev set" if key == "dev" else escaped(name)
    pairs = [(example.cell, example.targets[0]) for example in open_form(run.config.data, key)]
    return pairs, f"the {min(SENTENCES, len(pairs))} longest sources of {name}"


def gradient_profile(run: WritingRun, pairs: Sequence[tuple[str, str]], *, name: str) -> GradientProfile:
    """Return the profile of `run`, to be called `name`, over the pairs with the longest sources.

    The states are those of the top layer of the encoder's forward direction. Raises a RunError for an encoder without
    such states.
    """
    encoder = run.config.model.source
    if not isinstance(encoder, RecurrentEncoderConfig):
        raise RunError(
            f"{run.folder}: model.encoder.kind is {encoder.kind_name}, but gradients are taken at the states of "
            "encoders of kind recurrent, whose steps go on from the last state alone; choose runs with one of these"
        )
    longest = sorted(_encoded(run, pairs), key=lambda pair: -len(pair[0]))[:SENTENCES]
    states = min(len(source) for source, _ in longest)
    batches = (longest[first : first + _BATCH] for first in range(0, len(longest), _BATCH))
    rows = [row for batch in batches for row in _rows(run, batch, states)]
    total, later = (np.array(part) for part in zip(*rows, strict=True))
    return GradientProfile(name, encoder.cell, isinstance(run.config.model.attention, Attention), total, later)


def _encoded(run: WritingRun, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for source, target in pairs:
        sides = (run.tokenizers.source, source), (run.tokenizers.target, target)
        ids = [np.array([*tokenizer.encode(text), *tokenizer.end]) for tokenizer, text in sides]
        yield ids[0], ids[1]


def _rows(
    run: WritingRun, pairs: Sequence[tuple[np.ndarray, np.ndarray]], states: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the norms, whole and through later states, at the last `states` of each source, the last one first."""
    source, target = (pad_tokens(side).to(run.model.device) for side in zip(*pairs, strict=True))
    with torch.enable_grad():
        found: StateGradients = state_gradients(run.model, source, target)
    for row, length in enumerate(source.lengths.tolist()):
        last = slice(length - states, length)
        yield tuple(part[row, last].flip(0).double().cpu().numpy() for part in (found.total, found.later))  # type: ignore[misc]


def gradients_figure(profiles: Sequence[GradientProfile], *, sentences: str) -> Figure:
    """Return the norms of `profiles` on a logarithmic axis: a panel without attention and one with it.

    `sentences` describes the sentences they were measured on.
    """
    groups = [[profile for profile in profiles if profile.attends == attends] for attends in (False, True)]
    shown = [group for group in groups if group]
    figure = new_figure(1.2 + 4.6 * len(shown), 4.4)
    panels = figure.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False, gridspec_kw={"wspace": 0.06})[0]
    # Limits first: a logarithmic axis finds none of its own for a gradient that has vanished altogether.
    low, high = (np.concatenate([np.percentile(profile.total, q, axis=0) for profile in profiles]) for q in (25, 75))
    top = max(float(high.max()), 1e-30)
    panels[0].set_ylim(max(low[low > 0].min(initial=top), top * _SMALLEST) / 2, top * 5)
    families = list(fonts_for(profile.run for profile in profiles).families)
    for axes, group in zip(panels, shown, strict=True):
        # Each panel begins with the first colour, so that runs given in the same order match.
        for number, profile in enumerate(group):
            _draw_profile(axes, profile, COLOURS[number % len(COLOURS)])
        _finish_panel(axes, group, families)
    panels[0].set_xlim(max(profile.total.shape[1] for profile in profiles) - 0.5, -0.5)
    panels[0].set_ylabel("norm of ∂ loss / ∂ state\n(loss: mean nats a target token)")
    title = f"Gradient of the loss at each encoder state, forward direction\n{sentences}; median and quartiles"
    figure.suptitle(title, x=figure.subplotpars.left, y=1.04, ha="left", fontsize=10, parse_math=False)
    return figure


def _draw_profile(axes: Axes, profile: GradientProfile, colour: str) -> None:
    low, median, high = np.percentile(profile.total, [25, 50, 75], axis=0)
    after = np.arange(len(median))
    axes.fill_between(after, low, high, color=colour, alpha=0.16, linewidth=0)
    # A leading underscore would hide a name from the legend.
    axes.plot(after, median, color=colour, linewidth=2.0, label=f" {profile.run}")
    if profile.attends:
        axes.plot(after, np.median(profile.later, axis=0), ":", color=colour, linewidth=1.6)


def _finish_panel(axes: Axes, group: Sequence[GradientProfile], families: Sequence[str]) -> None:
    attends = group[0].attends
    axes.set_yscale("log", nonpositive="mask")
    paths = " (dotted: what comes through later states)" if attends else ""
    axes.set_title(f"{'with' if attends else 'without'} attention{paths}", loc="left", fontsize=10)
    axes.set_xlabel("states that come after", color=GREY)
    axes.grid(color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    for text in axes.legend(loc="upper left", framealpha=0.9, prop={"family": list(families), "size": 9}).get_texts():
        text.set_parse_math(False)


def gradients_json(profiles: Sequence[GradientProfile]) -> str:
    """Return a JSON list of `profiles`."""
    return json.dumps([profile.as_json() for profile in profiles], ensure_ascii=False, indent=2) + "\n"

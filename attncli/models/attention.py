"""Reads a memory for a query: a score of every position, a window that limits them, and a selection of what is read.

B sources, K hypotheses of each, N = B*K rows, T queries a row, S positions, D memory width, Q query width, A score
width, X axes: 1 for words, 2 for the grid of an image, 3 for that of
a film.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncli.models.gates import ContextGate
from attncli.models.history import HistoryScore, Past
from attncli.models.memory import Memory
from attncli.models.rows import map_tensors
from attncli.models.scores import Score
from attncli.models.selections import Draws, Selection
from attncli.models.windows import Window


@dataclass(frozen=True)
class PreparedAttention:
    """A memory with everything that is computed from it once per source."""

    values: Tensor  # [B, S, D]
    keys: Tensor  # [B, S, A]
    window: Any  # the window's own
    selection: Any  # the selection's own


@dataclass(frozen=True)
class Marks:
    """What an attention reports about each query besides its weights."""

    half_width: int | None  # of the window in positions; None without one
    centres: Tensor | None  # [N, T, X], the middle of the window in positions, or in rows and columns
    chosen: Tensor | None  # [N, T], the one position that was read; None where it was a mean

    def among(self, real: Tensor) -> Marks:
        """Return the marks of queries of one source with positions counted among the `real` [S] ones alone."""
        if self.chosen is None:
            return self
        return replace(self, chosen=(real.cumsum(0) - 1)[self.chosen])

    def within(self, first: int, last: int) -> Marks:
        """Return the marks with positions counted from `first`; a choice that is not before `last` is -1."""
        if self.chosen is None:
            return self
        inside = (first <= self.chosen) & (self.chosen < last)
        return replace(self, chosen=torch.where(inside, self.chosen - first, -1))

    def as_json(self) -> dict[str, Any]:
        """Return the marks that are set, as JSON values; a centre is a number for words and a list for a grid."""
        values: dict[str, Any] = {}
        if self.centres is not None:
            rounded = self.centres.double().round(decimals=4).tolist()
            values = {
                "half_width": self.half_width,
                "centres": [centre[0] if len(centre) == 1 else centre for centre in rounded],
            }
        if self.chosen is not None:
            values["chosen"] = self.chosen.tolist()
        return values


@dataclass(frozen=True)
class Glimpse:
    """What an attention returns for its queries."""

    context: Tensor  # [N, T, D]
    weights: Tensor  # [N, T, S]
    marks: Marks | None  # None for the mean over everything
    draws: Draws | None  # [N, T], only where training learns from them


def sigmoid_over_sum(scores: Tensor, dim: int) -> Tensor:
    """Return σ(e) over its sum along `dim`, without underflow; -inf gives 0. Chorowski et al. 2015, section 2.2."""
    return F.logsigmoid(scores).softmax(dim)


NORMALISATIONS: dict[str, Callable[[Tensor, int], Tensor]] = {"softmax": torch.softmax, "sigmoid": sigmoid_over_sum}


class Attention(nn.Module):
    """Attention made of three interchangeable parts, which work in every combination.

    Bahdanau, Cho and Bengio 2015; the windows of Luong, Pham and Manning 2015; the selections of Xu et al. 2015. An
    optional gate scales what was read. Scores are divided by the temperature before they are normalised.
    """

    def __init__(
        self,
        score: Score | HistoryScore,
        window: Window,
        selection: Selection,
        gate: ContextGate | None = None,
        *,
        normalisation: str = "softmax",
        temperature: float = 1.0,
    ):
        super().__init__()
        self.score, self.window, self.selection, self.gate = score, window, selection, gate
        self.normalise, self.temperature = NORMALISATIONS[normalisation], temperature

    @property
    def looks_back(self) -> bool:
        """Whether `forward` needs the weights of earlier steps, and so has one query a row."""
        return isinstance(self.score, HistoryScore)

    @property
    def counts_steps(self) -> bool:
        """Whether `forward` needs the numbers of the steps."""
        return self.window.counts_steps or self.selection.is_keyed

    def prepare(self, memory: Memory) -> PreparedAttention:
        """Return what does not depend on the query."""
        return PreparedAttention(
            memory.states,
            self.score.project(memory.states),
            self.window.prepare(memory),
            self.selection.prepare(memory),
        )

    def start(self, mask: Tensor) -> Past | None:
        """Return the past of the first step, for sources with this `mask` [N, S]; None where it is not looked at."""
        return self.score.start(mask) if isinstance(self.score, HistoryScore) else None

    def forward(
        self, query: Tensor, prepared: PreparedAttention, steps: Tensor | None = None, past: Past | None = None
    ) -> Glimpse:
        """Return what `query` [N, T, Q] reads; `steps` [N, T] are the target positions from 0, where they count.

        N may be K times the B sources of `prepared`: rows i*K to i*K + K - 1 then read source i, which is not copied.
        An attention that looks back needs the `past` of every row, and T is 1. Weights are exactly 0 on padding and
        outside the window, and each row sums to 1, or to less with a window that multiplies them.
        """
        rows, count, _ = query.shape
        sources = prepared.values.shape[0]
        grouped = query.reshape(sources, rows // sources * count, -1)  # [B, K*T, Q]
        steps = None if steps is None else steps.reshape(grouped.shape[:2])
        focus = self.window(grouped, steps, prepared.window)
        # A softmax in bfloat16 would give rows that miss a sum of 1 by up to a thousandth.
        scores = self._scores(grouped, prepared.keys, past).float() / self.temperature
        weights = self.normalise(scores.masked_fill(~focus.inside, -math.inf), -1)  # [B, K*T, S]
        if focus.factor is not None:
            weights = weights * focus.factor
        selected = self.selection(weights, prepared.selection, steps)
        context = selected.mixture.to(prepared.values.dtype) @ prepared.values  # [B, K*T, D]
        if self.gate is not None:
            context = self.gate(grouped, context)
        marks = None
        if focus.centres is not None or selected.chosen is not None:
            marks = Marks(focus.half_width, focus.centres, selected.chosen)
        glimpse = Glimpse(context, weights, marks, selected.draws)
        return map_tensors(glimpse, lambda tensor: tensor.reshape(rows, count, *tensor.shape[2:]))

    def _scores(self, query: Tensor, keys: Tensor, past: Past | None) -> Tensor:
        if not isinstance(self.score, HistoryScore):
            return self.score(query, keys)  # type: ignore[no-any-return]
        assert past is not None, "the decoder keeps the past for an attention that looks back"
        return self.score(query, keys, past)  # type: ignore[no-any-return]

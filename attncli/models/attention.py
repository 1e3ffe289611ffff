"""Reads a memory for a query: scores, softmax over the real positions, weighted mean.

B sources, K hypotheses of each, N = B*K rows, T queries a row, S positions, D memory width, Q query width, A score
width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

from attncli.models.gates import ContextGate
from attncli.models.memory import Memory
from attncli.models.scores import Score


@dataclass(frozen=True)
class PreparedAttention:
    """A memory with its keys projected, computed once a source."""

    values: Tensor  # [B, S, D]
    keys: Tensor  # [B, S, A]
    mask: Tensor  # [B, S] bool


class Attention(nn.Module):
    """Global soft attention with an exchangeable score (Bahdanau et al. 2015; Luong et al. 2015, 3.1)."""

    def __init__(self, score: Score, gate: ContextGate | None = None):
        super().__init__()
        self.score, self.gate = score, gate

    def prepare(self, memory: Memory) -> PreparedAttention:
        """Return what does not depend on the query."""
        return PreparedAttention(memory.states, self.score.project(memory.states), memory.mask)

    def forward(self, query: Tensor, prepared: PreparedAttention) -> tuple[Tensor, Tensor]:
        """Return the context [N, T, D] and the weights [N, T, S] for `query` [N, T, Q].

        N may be a multiple K of the B sources in `prepared`: rows i*K to i*K + K - 1 then read source i, without a
        copy of it for each. Rows of weights sum to 1 and are exactly 0 on padding.
        """
        rows, steps, _ = query.shape
        sources = prepared.mask.shape[0]
        grouped = query.reshape(sources, rows // sources * steps, -1)  # [B, K*T, Q]
        scores = self.score(grouped, prepared.keys).float()
        weights = scores.masked_fill(~prepared.mask[:, None], -math.inf).softmax(-1)  # [B, K*T, S]
        context = weights.to(prepared.values.dtype) @ prepared.values  # [B, K*T, D]
        context = context.view(rows, steps, -1)
        if self.gate is not None:
            context = self.gate(query, context)
        return context, weights.view(rows, steps, -1)

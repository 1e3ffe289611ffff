"""Attention with several heads, from one sequence to itself or to another.

B sources, N = B*K rows, T queries a row, S positions, H width of a state, D width of what is looked at, d = H / heads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class KeysAndValues:
    """The positions that queries look at, projected."""

    keys: Tensor  # [B, heads, S, d]
    values: Tensor  # [B, heads, S, d]

    def joined(self, later: KeysAndValues) -> KeysAndValues:
        """Return these positions followed by those of `later`."""
        if not self.keys.shape[2]:
            return later
        return KeysAndValues(torch.cat([self.keys, later.keys], 2), torch.cat([self.values, later.values], 2))


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention in `heads` subspaces (Vaswani et al. 2017, 3.2.2; with bias terms, as is usual).

    A mask is True where a query may look: [B, 1, 1, S], or [T, S] for all rows alike; None hides nothing.
    """

    def __init__(self, size: int, *, looked_at_size: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(size, size)
        # A bias here would add the same to all scores of a query, which softmax cancels.
        self.keys = nn.Linear(looked_at_size, size, bias=False)
        self.values = nn.Linear(looked_at_size, size)
        self.output = nn.Linear(size, size)

    def project(self, states: Tensor) -> KeysAndValues:
        """Return the keys and values of `states` [B, S, D]."""
        return KeysAndValues(self._cut(self.keys(states)), self._cut(self.values(states)))

    def forward(self, states: Tensor, looked_at: KeysAndValues, mask: Tensor | None) -> Tensor:
        """Return what the positions of `states` [B, T, H] read, [B, T, H]."""
        return self._joined(_fused(self._cut(self.query(states)), looked_at, mask))

    def weights(self, states: Tensor, looked_at: KeysAndValues, mask: Tensor | None) -> Tensor:
        """Return where each head looks, [B, heads, T, S]: the weights that the fused kernel of `forward` hides."""
        return self._weights(self._cut(self.query(states)), looked_at, mask)

    def read(self, states: Tensor, looked_at: KeysAndValues, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return what `states` [N, T, H] read, [N, T, H], and the weights [N, heads, T, S].

        N may be K times the B rows of `looked_at`: rows i*K to i*K + K - 1 then look at row i, which is not copied.
        """
        rows, steps, size = states.shape
        grouped = states.reshape(len(looked_at.keys), -1, size)  # [B, K*T, H]
        weights = self._weights(self._cut(self.query(grouped)), looked_at, mask)
        seen = self._joined(weights.to(looked_at.values.dtype) @ looked_at.values)
        by_row = weights.view(*weights.shape[:2], -1, steps, weights.shape[-1]).transpose(1, 2)  # [B, K, heads, T, S]
        return seen.view(rows, steps, size), by_row.flatten(0, 1)

    def _weights(self, query: Tensor, looked_at: KeysAndValues, mask: Tensor | None) -> Tensor:
        # Scaling the query takes fewer products than scaling the scores.
        scores: Tensor = (query * query.shape[-1] ** -0.5 @ looked_at.keys.transpose(2, 3)).float()
        return (scores if mask is None else scores.masked_fill(~mask, -math.inf)).softmax(-1)

    def _cut(self, states: Tensor) -> Tensor:
        """Return `states` [B, S, H] as heads [B, heads, S, d]."""
        return states.view(*states.shape[:2], self.heads, -1).transpose(1, 2)

    def _joined(self, heads: Tensor) -> Tensor:
        return self.output(heads.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


# Up to this many positions PyTorch's fused attention trains faster in float32 than in bfloat16 on a processor: on those
# of a sentence the backward pass of bfloat16 takes ten times as long.
_SHORT = 256


def _fused(query: Tensor, looked_at: KeysAndValues, mask: Tensor | None) -> Tensor:
    """Return what `query` [B, heads, T, d] reads, [B, heads, T, d]."""
    keys, values = looked_at.keys, looked_at.values
    short = keys.shape[2] <= _SHORT
    if query.device.type == "cpu" and query.dtype == torch.bfloat16 and query.requires_grad and short:
        with torch.autocast("cpu", enabled=False):
            return F.scaled_dot_product_attention(query.float(), keys.float(), values.float(), attn_mask=mask)
    return F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)

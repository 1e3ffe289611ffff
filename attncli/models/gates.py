"""How much of a context a decoder uses.

N rows, T queries a row, D memory width, Q query width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ContextGate(nn.Module):
    """β = sigmoid(f_β(q)), one number a query, which scales the context (Xu et al. 2015, 4.2.1)."""

    def __init__(self, query_size: int):
        super().__init__()
        self.open = nn.Linear(query_size, 1)

    def forward(self, query: Tensor, context: Tensor) -> Tensor:
        """Return the scaled `context` [N, T, D] for `query` [N, T, Q]."""
        return torch.sigmoid(self.open(query)) * context

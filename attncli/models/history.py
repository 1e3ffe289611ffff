"""Attention that looks back: an additive score that also sees the weights of the steps before.

N rows, T queries of each, S positions, D memory width, Q query width, A score width, X features of a position.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def _all_on_the_first(mask: Tensor) -> Tensor:
    weights = torch.zeros_like(mask, dtype=torch.float32)
    weights[:, 0] = 1.0  # F.one_hot would wait for a device
    return weights


INITIAL_ALIGNMENTS: dict[str, Callable[[Tensor], Tensor]] = {
    "first": _all_on_the_first,
    "uniform": lambda mask: mask / mask.sum(1, keepdim=True),
    "zeros": lambda mask: torch.zeros_like(mask, dtype=torch.float32),
}
"""The weights before the first step, of a mask [N, S] of the positions."""


@dataclass(frozen=True)
class Past:
    """The weights of the steps so far."""

    previous: Tensor  # [N, S], of the last step
    total: Tensor  # [N, S], summed over all steps: the coverage

    def after(self, weights: Tensor) -> Past:
        """Return the past once a step has given `weights` [N, S]."""
        return Past(weights, self.total + weights)


class _Energy(torch.autograd.Function):
    """v · tanh(q + k + L f) for every query, key and features of the pair.

    The layer [N, T, S, A] is computed again for the backward pass: a decoder runs this once a step, and kept for all
    steps it would be most of the memory of training.
    """

    @staticmethod
    def forward(context: Any, query: Tensor, keys: Tensor, features: Tensor, layer: Tensor, energy: Tensor) -> Tensor:
        context.save_for_backward(query, keys, features, layer, energy)
        return _hidden(query, keys, features, layer) @ energy

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        query, keys, features, layer, energy = context.saved_tensors
        hidden = _hidden(query, keys, features, layer)  # [N, T, S, A]
        of_energy = gradient.flatten() @ hidden.flatten(0, 2)
        slope = hidden.square_().neg_().add_(1.0).mul_(energy).mul_(gradient[..., None])
        of_layer = slope.flatten(0, 2).t() @ features.flatten(0, 2)
        return slope.sum(2), slope.sum(1), slope @ layer, of_layer, of_energy


def _hidden(query: Tensor, keys: Tensor, features: Tensor, layer: Tensor) -> Tensor:
    return F.linear(features, layer).add_(query[:, :, None]).add_(keys[:, None]).tanh_()


class HistoryScore(nn.Module):
    """Score by a one-layer network that also sees earlier weights: v · tanh(W q + U m + L f + b).

    The features f of a position are its coverage, the sum of its weights so far (See, Liu and Manning 2017, equations
    10 and 11), and what filters over the positions make of the weights of the last step (Chorowski et al. 2015,
    equations 8 and 9), or both. The first step sees the initial alignment as the weights before it.
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        size: int,
        *,
        coverage: bool,
        filters: int,
        filter_width: int,
        initial_alignment: str,
    ):
        super().__init__()
        self.query = nn.Linear(query_size, size, bias=False)
        self.memory = nn.Linear(memory_size, size)
        self.history = nn.Linear(int(coverage) + filters, size, bias=False)
        self.energy = nn.Linear(size, 1, bias=False)
        self.coverage, self.initial_alignment = coverage, INITIAL_ALIGNMENTS[initial_alignment]
        self.filters = nn.Conv1d(1, filters, filter_width, padding=filter_width // 2, bias=False) if filters else None

    def project(self, states: Tensor) -> Tensor:
        """Return U m + b [N, S, A]."""
        return self.memory(states)  # type: ignore[no-any-return]

    def start(self, mask: Tensor) -> Past:
        """Return the past of the first step, for sources with this `mask` [N, S]: nothing is covered yet."""
        return Past(self.initial_alignment(mask), torch.zeros_like(mask, dtype=torch.float32))

    def forward(self, query: Tensor, keys: Tensor, past: Past) -> Tensor:
        """Return scores [B, T, S] for `query` [B, T, Q] against `keys` [B, S, A], with the `past` [B*T, S] of each."""
        features = self.features(past).view(*query.shape[:2], keys.shape[1], -1)
        parts = (self.query(query), keys, features, self.history.weight, self.energy.weight[0])
        # Sums and tanh in float32 at least; only the products before are in the precision of training.
        with torch.autocast(query.device.type, enabled=False):
            kind = torch.promote_types(query.dtype, torch.float32)
            return _Energy.apply(*(part.to(kind) for part in parts))  # type: ignore[no-any-return,no-untyped-call]

    def features(self, past: Past) -> Tensor:
        """Return the features [N, S, X] of the positions."""
        features = [past.total[..., None]] if self.coverage else []
        if self.filters is not None:
            previous = past.previous[:, None].to(self.filters.weight.dtype)
            features.append(self.filters(previous).transpose(1, 2))
        return torch.cat(features, -1)

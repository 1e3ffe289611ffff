"""The finished hypotheses of every source, of which none that is among its K best is ever lost.

B sources still being decoded, K hypotheses a source.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class Pool:
    """K hypotheses of each source, best first, by where they end (`Trace.follow`); all tensors are [B, K]."""

    score: Tensor  # log_prob over the length penalty, -inf for a place that is free
    log_prob: Tensor
    step: Tensor
    row: Tensor
    token: Tensor

    @classmethod
    def empty(cls, sources: int, beam_size: int, device: torch.device) -> Pool:
        """Return the pool that nothing is in yet."""
        free = torch.full((sources, beam_size), -math.inf, device=device)
        none = torch.zeros(sources, beam_size, dtype=torch.long, device=device)
        return cls(free, free, none, none, none)

    def with_finished(self, finished: Pool) -> Pool:
        """Return the K best of this pool and of `finished`."""
        both = _joined([self, finished], lambda pair: torch.cat(pair, 1))
        return both._taken(both.score.topk(self.score.shape[1], dim=-1).indices)

    def filled_up(self, unfinished: Pool) -> Pool:
        """Return this pool with the best of `unfinished` in its free places, behind all that are finished."""
        ranked = unfinished._taken(unfinished.score.sort(dim=-1, descending=True).indices)
        both = _joined([self, ranked], lambda pair: torch.cat(pair, 1))
        is_free = both.score == -math.inf
        return both._taken(is_free.sort(dim=-1, stable=True).indices[:, : self.score.shape[1]])

    def best(self, count: int) -> Pool:
        """Return the pool of the `count` best."""
        return _joined([self], lambda tensors: tensors[0][:, :count])

    def _taken(self, places: Tensor) -> Pool:
        return _joined([self], lambda tensors: tensors[0].gather(1, places))


def joined(pools: list[Pool]) -> Pool:
    """Return the pools of different sources as one."""
    return _joined(pools, torch.cat)


def _joined(pools: list[Pool], join: Callable[[list[Tensor]], Tensor]) -> Pool:
    return Pool(*(join([getattr(pool, field.name) for pool in pools]) for field in fields(Pool)))

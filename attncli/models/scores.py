"""Scores, which say how well a query matches each position of a memory.

B sources, T queries of each, S positions, D memory width, Q query width, A score width.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from attncli.config.attention import Attention as AttentionConfig
from attncli.errors import DataError


class Score(nn.Module, ABC):
    """A score is in two parts, so that what does not depend on the query is computed once a source."""

    @abstractmethod
    def project(self, states: Tensor) -> Tensor:
        """Return the keys [B, S, A] of `states` [B, S, D]."""

    @abstractmethod
    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """Return scores [B, T, S], not normalised, for `query` [B, T, Q] against `keys` [B, S, A] from `project`."""


class ContentScore(Score):
    """Score by cosine, times a sharpness that depends on the query: softplus(β(q)) cos(q, m).

    Graves, Wayne and Danihelka 2014, equations 5 and 6 (key strength). Where the widths differ, a projection without
    bias brings the query to the width of the memory.
    """

    def __init__(self, query_size: int, memory_size: int, *, sharpens: bool):
        super().__init__()
        self.width = memory_size
        same = query_size == memory_size
        self.query = nn.Identity() if same else nn.Linear(query_size, memory_size, bias=False)
        self.sharpness = nn.Linear(query_size, 1) if sharpens else None

    def project(self, states: Tensor) -> Tensor:
        """Return the states as unit vectors [B, S, D]."""
        return F.normalize(states, dim=-1)

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """Return scores [B, T, S] for `query` [B, T, Q] against unit `keys` [B, S, D]."""
        cosine = F.normalize(self.query(query), dim=-1) @ keys.transpose(1, 2)
        return cosine if self.sharpness is None else F.softplus(self.sharpness(query)) * cosine


# The most numbers of the hidden layer of additive scores [B, T, S, A] that exist at once, by device: in blocks of 1 MB,
# which the cache of a core holds, a processor needs a third of the time. CUDA would wait for the many calls.
BLOCKS = {"cpu": 1 << 18}
_LARGEST_BLOCK = 1 << 24


class _AdditiveEnergy(torch.autograd.Function):
    """v · tanh(q + k) for every query against every key, of exp(2 q) and exp(2 k), whatever their signs and sizes.

    With r = 1 / (1 + exp(2 q) exp(2 k)), tanh(q + k) = 1 - 2 r. Exponentials are computed once per query and once per
    source; a pair costs a product and a quotient, a quarter of the time of a tanh. Plain operations would keep the
    layer [B, T, S, A] for the backward pass, where it is most of a training step's memory (150 MB at 80 sentences of
    30 tokens and A = 512); here it is computed again, in blocks.
    """

    @staticmethod
    def forward(context: Any, query: Tensor, keys: Tensor, energy: Tensor) -> Tensor:
        context.save_for_backward(query, keys, energy)
        weighted = query.new_empty(*query.shape[:2], keys.shape[1])
        # On CUDA autocast would round the product of float32, so that `backward` gets a gradient of another type.
        with torch.autocast(query.device.type, enabled=False):
            for sources, steps in _blocks(query, keys):
                weighted[sources, steps] = _quotients(query[sources, steps], keys[sources]) @ energy
            return energy.sum() - 2.0 * weighted

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query, keys, energy = context.saved_tensors
        of_query, of_keys, of_energy = torch.empty_like(query), torch.zeros_like(keys), torch.zeros_like(energy)
        for sources, steps in _blocks(query, keys):
            asked, told, upstream = query[sources, steps], keys[sources], gradient[sources, steps]
            quotients = _quotients(asked, told)  # [b, t, S, A]
            of_energy.addmv_(quotients.view(-1, quotients.shape[-1]).t(), upstream.reshape(-1))
            # With a = exp(2 q) and b = exp(2 k), the derivative of 1 - 2 r by a is 2 r² b, and by b it is 2 r² a.
            slope = quotients.square_().mul_(upstream[..., None])
            of_query[sources, steps] = (slope * told[:, None]).sum(2).mul_(2.0 * energy)
            of_keys[sources] += slope.mul_((2.0 * energy * asked)[:, :, None]).sum(1)
        return of_query, of_keys, gradient.sum() - 2.0 * of_energy


def _blocks(query: Tensor, keys: Tensor) -> Iterator[tuple[slice, slice]]:
    """Yield the sources and the steps of each block: several sources whole, or some steps of one."""
    sources, steps = query.shape[:2]
    pairs = BLOCKS.get(query.device.type, _LARGEST_BLOCK) // max(1, keys.shape[1] * keys.shape[2])
    together, at_once = max(1, pairs // max(1, steps)), max(1, pairs)
    for first in range(0, sources, together):
        for step in range(0, steps, at_once):
            yield slice(first, first + together), slice(step, step + at_once)


def _quotients(query: Tensor, keys: Tensor) -> Tensor:
    return (query[:, :, None] * keys[:, None]).add_(1.0).reciprocal_()


def _exponential(values: Tensor) -> Tensor:
    """Return exp(2 x), in float32 at least.

    exp(±86) is about the largest that a float32 holds, and a product that overflows gives the right quotient, 0. The
    clamp to ±43 changes a score only if both summands exceed it with opposite signs; in trained models they stay below
    21 and 9.
    """
    return values.to(torch.promote_types(values.dtype, torch.float32)).clamp(-43.0, 43.0).mul(2.0).exp()


class AdditiveScore(Score):
    """Score by a one-layer network: v · tanh(W q + U m).

    Bahdanau, Cho and Bengio 2015, section A.1.2; no bias terms, as there.
    """

    def __init__(self, query_size: int, memory_size: int, size: int):
        super().__init__()
        self.query = nn.Linear(query_size, size, bias=False)
        self.memory = nn.Linear(memory_size, size, bias=False)
        self.energy = nn.Linear(size, 1, bias=False)

    def project(self, states: Tensor) -> Tensor:
        """Return exp(2 U m) [B, S, A]: the memory's share of the hidden layer as the tanh needs it."""
        return _exponential(self.memory(states))

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """Return scores [B, T, S] for `query` [B, T, Q] against `keys` [B, S, A]."""
        energy = self.energy.weight[0].to(keys.dtype)
        return _AdditiveEnergy.apply(_exponential(self.query(query)), keys, energy)  # type: ignore[no-any-return, no-untyped-call]


class LocationScore(Score):
    """Score by position alone: (W q)_s, which sees nothing of the source.

    Luong, Pham and Manning 2015, equation 8 (`location`). A source shorter than the number of W's rows uses the first
    ones. A longer one is an error, unless `ignores_longer` gives its other positions no weight, as in the paper.
    """

    def __init__(self, query_size: int, maximum_source_length: int, *, ignores_longer: bool):
        super().__init__()
        self.positions = nn.Linear(query_size, maximum_source_length, bias=False)
        self.ignores_longer = ignores_longer

    def project(self, states: Tensor) -> Tensor:
        """Return keys of width 0 [B, S, 0], of which only the number of positions matters.

        Raises a DataError for a source with more positions than W has rows, unless longer ones are ignored.
        """
        limit = self.positions.out_features
        if states.shape[1] > limit and not self.ignores_longer:
            raise DataError(
                f"a source has {states.shape[1]} positions, but score 'location' sees at most {limit}; raise "
                f"model.attention.maximum_source_length, shorten the sources, or set longer_sources: ignore"
            )
        return states[:, :, :0]

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """Return scores [B, T, S] for `query` [B, T, Q] over the positions of `keys` [B, S, 0]."""
        length = keys.shape[1]
        scores: Tensor = self.positions(query)[:, :, :length]
        return F.pad(scores, (0, length - scores.shape[2]), value=-math.inf)


class GeneralScore(Score):
    """Score by a bilinear form: q · W m. Luong, Pham and Manning 2015, equation 8 (`general`)."""

    def __init__(self, query_size: int, memory_size: int):
        super().__init__()
        self.memory = nn.Linear(memory_size, query_size, bias=False)

    def project(self, states: Tensor) -> Tensor:
        """Return the states projected to the query's width [B, S, Q]."""
        keys: Tensor = self.memory(states)
        return keys

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """Return scores [B, T, S] for `query` [B, T, Q] against `keys` [B, S, Q]."""
        return query @ keys.transpose(1, 2)


class DotScore(Score):
    """Score by inner product: q · m, times a fixed factor.

    Luong, Pham and Manning 2015, equation 8 (`dot`, factor 1); Vaswani et al. 2017, equation 1 (`scaled_dot`, factor
    1/√D). Query and memory have one width.
    """

    def __init__(self, *, factor: float = 1.0):
        super().__init__()
        self.factor = factor

    def project(self, states: Tensor) -> Tensor:
        """Return the states as they are, times the factor [B, S, D]."""
        return states if self.factor == 1.0 else states * self.factor

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """Return scores [B, T, S] for `query` [B, T, D] against `keys` [B, S, D]."""
        return query @ keys.transpose(1, 2)


class ProjectedScore(Score):
    """Score by the inner product of learned projections, over the root of their width: (W q) · (U m) / √A.

    Vaswani et al. 2017, equation 1 and section 3.2.2, with one head; no bias terms, as there. States of recurrent
    layers are small, and dividing makes their products smaller still; learned projections can make up for that.
    """

    def __init__(self, query_size: int, memory_size: int, size: int):
        super().__init__()
        self.query = nn.Linear(query_size, size, bias=False)
        self.memory = nn.Linear(memory_size, size, bias=False)

    def project(self, states: Tensor) -> Tensor:
        """Return the projected states over √A [B, S, A]."""
        return self.memory(states) * self.memory.out_features**-0.5  # type: ignore[no-any-return]

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """Return scores [B, T, S] for `query` [B, T, Q] against `keys` [B, S, A]."""
        return self.query(query) @ keys.transpose(1, 2)  # type: ignore[no-any-return]


def _scaled_dot(config: AttentionConfig, query_size: int, memory_size: int) -> Score:
    if config.is_projected:
        return ProjectedScore(query_size, memory_size, config.size or query_size)
    return DotScore(factor=memory_size**-0.5)


def _location(config: AttentionConfig, query_size: int, _memory_size: int) -> Score:
    assert config.maximum_source_length is not None, "the config refuses location without it"
    return LocationScore(query_size, config.maximum_source_length, ignores_longer=config.longer_sources == "ignore")


SCORES: dict[str, Callable[[AttentionConfig, int, int], Score]] = {
    "content": lambda config, query, memory: ContentScore(query, memory, sharpens=config.sharpening != "none"),
    "additive": lambda config, query, memory: AdditiveScore(query, memory, config.size or query),
    "location": _location,
    "general": lambda config, query, memory: GeneralScore(query, memory),
    "dot": lambda config, query, memory: DotScore(),
    "scaled_dot": _scaled_dot,
}


def build_score(config: AttentionConfig, *, query_size: int, memory_size: int) -> Score:
    """Return the score that `config` names for queries and memories of these widths."""
    return SCORES[config.score](config, query_size, memory_size)

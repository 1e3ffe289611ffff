"""What holds for the attention with every score.

B=2 sources, K=3 hypotheses of each, T=4 queries, S=5 positions, Q=6 query width, D=7 memory width (6 for dot).
"""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from tiny import close
from torch import Tensor

from attncli.config.attention import Attention as AttentionConfig
from attncli.config.attention import ScoreName
from attncli.models.attention import Attention
from attncli.models.build import build_attention
from attncli.models.memory import Memory
from attncli.models.scores import SCORES

B, K, T, S, Q, D = 2, 3, 4, 5, 6, 7
LENGTHS = (5, 3)
EVERY_SCORE = pytest.mark.parametrize("name", SCORES)


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def made(name: str) -> tuple[Attention, Memory]:
    """Return an attention, and a memory whose second source is shorter."""
    config = AttentionConfig.model_validate(
        {"score": name, **({"maximum_source_length": 8} if name == "location" else {})}
    )
    size = Q if "dot" in name else D
    torch.manual_seed(1)
    attention = build_attention(config, query_size=Q, memory_size=size)
    mask = torch.arange(S) < torch.tensor(LENGTHS)[:, None]
    return attention, Memory.of(random(B, S, size, seed=2), mask, random(B, size, seed=3))


def test_every_score_of_the_configuration_is_there() -> None:
    assert set(SCORES) == set(get_args(ScoreName))


def read(attention: Attention, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
    """Return context and weights of `query` over `memory`."""
    glimpse = attention(query, attention.prepare(memory))
    assert glimpse.marks is glimpse.draws is None
    return glimpse.context, glimpse.weights


@EVERY_SCORE
def test_weights_are_a_distribution_over_the_real_positions(name: str) -> None:
    attention, memory = made(name)
    context, weights = read(attention, random(B, T, Q, seed=4), memory)
    assert weights.shape == (B, T, S)
    assert (weights >= 0).all()
    assert (weights[~memory.mask[:, None].expand_as(weights)] == 0).all()
    assert (weights[memory.mask[:, None].expand_as(weights)] > 0).all()
    close(weights.sum(-1), torch.ones(B, T), tolerance=1e-6)
    for b in range(B):
        for t in range(T):
            close(context[b, t], torch.stack([weights[b, t, s] * memory.states[b, s] for s in range(S)]).sum(0))


@EVERY_SCORE
def test_padding_changes_nothing(name: str) -> None:
    attention, memory = made(name)
    query = random(B, T, Q, seed=4)
    context, weights = read(attention, query, memory)
    for b, length in enumerate(LENGTHS):
        alone = Memory.of(memory.states[b : b + 1, :length], memory.mask[b : b + 1, :length], memory.summary[b : b + 1])
        context_alone, weights_alone = read(attention, query[b : b + 1], alone)
        close(context_alone[0], context[b])
        close(weights_alone[0], weights[b, :, :length])


@EVERY_SCORE
def test_hypotheses_share_the_keys_of_their_source(name: str) -> None:
    attention, memory = made(name)
    query = random(B * K, T, Q, seed=4)
    repeated = Memory.of(
        memory.states.repeat_interleave(K, 0),
        memory.mask.repeat_interleave(K, 0),
        memory.summary.repeat_interleave(K, 0),
    )
    context, weights = read(attention, query, memory)
    expected_context, expected_weights = read(attention, query, repeated)
    close(context, expected_context)
    close(weights, expected_weights)


@EVERY_SCORE
def test_queries_are_answered_each_on_its_own(name: str) -> None:
    attention, memory = made(name)
    query = random(B, T, Q, seed=4)
    context, weights = read(attention, query, memory)
    for t in range(T):
        one_context, one_weights = read(attention, query[:, t : t + 1], memory)
        close(one_context[:, 0], context[:, t])
        close(one_weights[:, 0], weights[:, t])


@EVERY_SCORE
def test_the_softmax_is_in_full_precision_under_autocast(name: str) -> None:
    attention, memory = made(name)
    query = random(B, T, Q, seed=4)
    with torch.autocast("cpu", torch.bfloat16):
        context, weights = read(attention, query, memory)
    assert weights.dtype == torch.float32
    # Rounded to bfloat16, rows of weights would miss 1 by up to a thousandth.
    close(weights.sum(-1), torch.ones(B, T), tolerance=1e-6)
    exact_context, exact_weights = read(attention, query, memory)
    close(weights, exact_weights, tolerance=0.03)
    close(context.float(), exact_context, tolerance=0.1)


@EVERY_SCORE
def test_gradients_reach_query_memory_and_parameters(name: str) -> None:
    attention, memory = made(name)
    states, query = memory.states.requires_grad_(), random(B, T, Q, seed=4).requires_grad_()
    context, _ = read(attention, query, memory)
    torch.autograd.backward((context * random(*context.shape, seed=5)).sum())
    for tensor in (states, query, *attention.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
        assert tensor.grad.abs().sum() > 0
    assert states.grad is not None
    assert (states.grad[~memory.mask] == 0).all()


def test_one_real_position_gets_all_the_weight() -> None:
    attention, memory = made("additive")
    mask = torch.zeros(B, S, dtype=torch.bool)
    mask[:, 0] = True
    context, weights = read(attention, random(B, T, Q, seed=4), Memory.of(memory.states, mask, memory.summary))
    assert (weights[:, :, 0] == 1).all()
    close(context, memory.states[:, :1].expand(-1, T, -1))


def test_positions_beyond_the_limit_of_location_get_no_weight() -> None:
    config = AttentionConfig(score="location", maximum_source_length=2, longer_sources="ignore")
    attention = build_attention(config, query_size=Q, memory_size=D)
    memory = Memory.of(random(B, S, D, seed=2), torch.ones(B, S, dtype=torch.bool), random(B, D, seed=3))
    _, weights = read(attention, random(B, T, Q, seed=4), memory)
    assert (weights[:, :, 2:] == 0).all()
    close(weights[:, :, :2].sum(-1), torch.ones(B, T))

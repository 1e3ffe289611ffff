"""Each score against its definition, position by position.

B=2 sources, T=3 queries, S=5 positions, Q=4 query width, D=7 memory width, A=6 score width.
"""

from __future__ import annotations

import math

import pytest
import torch
from tiny import close, part_of
from torch import Tensor, nn

from attncli.config.attention import Attention as AttentionConfig
from attncli.errors import DataError
from attncli.models import scores
from attncli.models.scores import (
    AdditiveScore,
    ContentScore,
    DotScore,
    GeneralScore,
    LocationScore,
    ProjectedScore,
    Score,
    build_score,
)

B, T, S, Q, D, A = 2, 3, 5, 4, 7, 6


def random(*shape: int, seed: int = 0, kind: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=kind)


def scored(score: Score, query: Tensor, states: Tensor) -> Tensor:
    found: Tensor = score(query, score.project(states))
    return found


def test_additive_is_the_loop_over_its_definition() -> None:
    torch.manual_seed(1)
    score = AdditiveScore(Q, D, A)
    query, states = random(B, T, Q), random(B, S, D, seed=1)
    found = scored(score, query, states)
    for b in range(B):
        for t in range(T):
            for s in range(S):
                hidden = score.query.weight @ query[b, t] + score.memory.weight @ states[b, s]
                close(found[b, t, s], score.energy.weight[0] @ hidden.tanh())


def plain_additive(query: Tensor, keys: Tensor, energy: Tensor) -> Tensor:
    return (query[:, :, None] + keys[:, None]).tanh() @ energy


BLOCKS_OF = {"a query": 1, "two": 2 * S * A, "a source": T * S * A, "three": 3 * T * S * A, "all": 1 << 24}


@pytest.mark.parametrize("block", BLOCKS_OF.values(), ids=BLOCKS_OF.keys())
def test_the_gradient_of_additive_is_that_of_plain_operations(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setitem(scores.BLOCKS, "cpu", block)
    torch.manual_seed(2)
    score = AdditiveScore(Q, D, A).double()
    query, states = (
        random(8, T, Q, kind=torch.double).requires_grad_(),
        random(8, S, D, kind=torch.double).requires_grad_(),
    )
    inputs = [query, states, *score.parameters()]
    upstream = random(8, T, S, seed=3, kind=torch.double)
    found = scored(score, query, states)
    plain = plain_additive(score.query(query), score.memory(states), score.energy.weight[0])
    close(found, plain, tolerance=1e-12)
    gradients = torch.autograd.grad(found, inputs, upstream)
    for gradient, expected in zip(gradients, torch.autograd.grad(plain, inputs, upstream), strict=True):
        close(gradient, expected, tolerance=1e-12)


def test_additive_computes_no_more_at_once_than_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def noted(query: Tensor, keys: Tensor) -> Tensor:
        sizes.append(query.shape[0] * query.shape[1] * keys.shape[1] * keys.shape[2])
        return quotients(query, keys)

    quotients = scores._quotients
    monkeypatch.setattr(scores, "_quotients", noted)
    for block, calls in ((S * A, 8 * T), (T * S * A, 8), (3 * T * S * A, 3), (1 << 24, 1)):
        sizes.clear()
        monkeypatch.setitem(scores.BLOCKS, "cpu", block)
        score = AdditiveScore(Q, D, A)
        torch.autograd.grad(scored(score, random(8, T, Q), random(8, S, D)).sum(), score.energy.weight)
        assert max(sizes) <= block
        assert len(sizes) == 2 * calls  # forwards and backwards


def test_the_gradient_of_additive_is_that_of_finite_differences() -> None:
    torch.manual_seed(3)
    score = AdditiveScore(Q, D, A).double()
    query, states = random(B, T, Q, kind=torch.double), random(B, S, D, seed=1, kind=torch.double)
    inputs = (query.requires_grad_(), states.requires_grad_())
    assert torch.autograd.gradcheck(lambda query, states: scored(score, query, states), inputs)


@pytest.mark.parametrize("size", [3.0, 20.0])
def test_additive_is_exact_for_large_summands(size: float) -> None:
    torch.manual_seed(4)
    score = AdditiveScore(Q, D, A)
    query, states = size * random(B, T, Q), size * random(B, S, D, seed=1)
    found = scored(score, query.requires_grad_(), states.requires_grad_())
    inner = score.query(query)[:, :, None] + score.memory(states)[:, None]  # [B, T, S, A]
    assert inner.abs().max() > 4 * size / 3
    close(found, inner.tanh() @ score.energy.weight[0], tolerance=1e-4)


def test_additive_is_finite_however_large_its_summands_are() -> None:
    torch.manual_seed(4)
    score = AdditiveScore(Q, D, A)
    query, states = 3e30 * random(B, T, Q), 3e30 * random(B, S, D, seed=1)
    found = scored(score, query.requires_grad_(), states)
    torch.autograd.backward(found.sum())
    assert torch.isfinite(found).all()
    assert query.grad is not None
    assert torch.isfinite(query.grad).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in score.parameters() if parameter.grad is not None)


def test_additive_scores_are_float32_under_autocast() -> None:
    torch.manual_seed(4)
    score = AdditiveScore(Q, D, A)
    query, states = random(B, T, Q).requires_grad_(), random(B, S, D, seed=1).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = scored(score, query, states)
    assert found.dtype == torch.float32
    close(found, scored(score, query, states), tolerance=0.05)
    torch.autograd.backward(found.sum())
    assert all(parameter.grad is not None for parameter in score.parameters())
    assert query.grad is not None
    assert query.grad.dtype == torch.float32


def test_general_is_the_loop_over_its_definition() -> None:
    torch.manual_seed(5)
    score = GeneralScore(Q, D)
    query, states = random(B, T, Q), random(B, S, D, seed=1)
    found = scored(score, query, states)
    for b in range(B):
        for t in range(T):
            for s in range(S):
                close(found[b, t, s], query[b, t] @ score.memory.weight @ states[b, s])


def test_dot_is_general_with_the_identity() -> None:
    general = GeneralScore(D, D)
    nn.init.eye_(general.memory.weight)
    query, states = random(B, T, D), random(B, S, D, seed=1)
    close(scored(DotScore(), query, states), scored(general, query, states))


def test_scaled_dot_is_dot_over_the_root_of_the_width() -> None:
    query, states = random(B, T, D), random(B, S, D, seed=1)
    scaled = build_score(AttentionConfig(score="scaled_dot", projections="none"), query_size=D, memory_size=D)
    close(scored(scaled, query, states), scored(DotScore(), query, states) / math.sqrt(D))


def test_projected_scaled_dot_is_the_loop_over_its_definition() -> None:
    # Vaswani et al. 2017, equation 1, of W_q q and W_m m, whose width is the one under the root.
    torch.manual_seed(7)
    score = build_score(AttentionConfig(score="scaled_dot", size=A), query_size=Q, memory_size=D)
    assert isinstance(score, ProjectedScore)
    query, states = random(B, T, Q), random(B, S, D, seed=1)
    found = scored(score, query, states)
    for b in range(B):
        for t in range(T):
            for s in range(S):
                asked, key = score.query.weight @ query[b, t], score.memory.weight @ states[b, s]
                assert float(found[b, t, s].detach()) == pytest.approx(
                    float((asked @ key).detach()) / math.sqrt(A), abs=1e-5
                )


@pytest.mark.parametrize("memory_size", [Q, D], ids=["one width", "projected"])
def test_content_is_the_loop_over_its_definition(memory_size: int) -> None:
    torch.manual_seed(6)
    score = ContentScore(Q, memory_size, sharpens=True)
    assert score.sharpness is not None
    projection = torch.eye(Q) if memory_size == Q else part_of(score, "query", nn.Linear).weight
    query, states = random(B, T, Q), random(B, S, memory_size, seed=1)
    found = scored(score, query, states)
    for b in range(B):
        for t in range(T):
            asked = projection @ query[b, t]
            beta = (1 + (score.sharpness.weight[0] @ query[b, t] + score.sharpness.bias[0]).exp()).log()
            for s in range(S):
                cosine = asked @ states[b, s] / (asked.norm() * states[b, s].norm())
                close(found[b, t, s], beta * cosine)


def test_plain_content_does_not_change_with_the_length_of_query_or_state() -> None:
    torch.manual_seed(7)
    score = ContentScore(Q, D, sharpens=False)
    query, states = random(B, T, Q), random(B, S, D, seed=1)
    stretch = torch.tensor([0.3, 20.0, 1.0, 7.0, 100.0])[:, None]
    close(scored(score, 3.5 * query, stretch * states), scored(score, query, states))
    assert scored(score, query, states).abs().max() <= 1 + 1e-6


def test_sharpened_content_does_not_change_with_the_length_of_a_state() -> None:
    torch.manual_seed(8)
    score = ContentScore(Q, D, sharpens=True)
    query, states = random(B, T, Q), random(B, S, D, seed=1)
    close(scored(score, query, 40 * states), scored(score, query, states))


@pytest.mark.parametrize(("bias", "is_sharp"), [(1e4, True), (-1e4, False)])
def test_content_is_sharpened_to_the_best_position_and_flattened_to_all(bias: float, is_sharp: bool) -> None:
    torch.manual_seed(9)
    score = ContentScore(Q, D, sharpens=True)
    assert score.sharpness is not None
    nn.init.zeros_(score.sharpness.weight)
    nn.init.constant_(score.sharpness.bias, bias)
    query, states = random(B, T, Q), random(B, S, D, seed=1)
    plain = ContentScore(Q, D, sharpens=False)
    plain.query.load_state_dict(score.query.state_dict())
    weights = scored(score, query, states).softmax(-1)
    best = nn.functional.one_hot(scored(plain, query, states).argmax(-1), S).float()
    close(weights, best if is_sharp else torch.full((B, T, S), 1 / S))


def test_location_sees_only_the_query_and_the_place() -> None:
    torch.manual_seed(10)
    score = LocationScore(Q, S + 3, ignores_longer=False)
    query = random(B, T, Q)
    found = scored(score, query, random(B, S, D))
    close(found, scored(score, query, 9 * random(B, S, D, seed=1)), tolerance=0)
    for s in range(S):
        close(found[:, :, s], query @ score.positions.weight[s])


def test_location_refuses_a_longer_source_and_names_the_limit() -> None:
    score = LocationScore(Q, S - 1, ignores_longer=False)
    with pytest.raises(DataError) as caught:
        score.project(random(B, S, D))
    assert str(caught.value) == (
        "a source has 5 positions, but score 'location' sees at most 4; raise model.attention.maximum_source_length, "
        "shorten the sources, or set longer_sources: ignore"
    )


def test_location_gives_further_positions_nothing_where_that_is_asked_for() -> None:
    score = LocationScore(Q, S - 2, ignores_longer=True)
    found = scored(score, random(B, T, Q), random(B, S, D))
    assert found.shape == (B, T, S)
    assert (found[:, :, S - 2 :] == -math.inf).all()
    assert found[:, :, : S - 2].isfinite().all()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"score": "additive"}, {"query.weight": (Q, Q), "memory.weight": (Q, D), "energy.weight": (1, Q)}),
        ({"score": "additive", "size": A}, {"query.weight": (A, Q), "memory.weight": (A, D), "energy.weight": (1, A)}),
        ({"score": "content"}, {"query.weight": (D, Q), "sharpness.weight": (1, Q), "sharpness.bias": (1,)}),
        ({"score": "content", "sharpening": "none"}, {"query.weight": (D, Q)}),
        ({"score": "general"}, {"memory.weight": (Q, D)}),
        ({"score": "dot"}, {}),
        ({"score": "location", "maximum_source_length": 9}, {"positions.weight": (9, Q)}),
    ],
)
def test_the_configuration_decides_what_is_learned(config: dict[str, object], expected: dict[str, object]) -> None:
    score = build_score(AttentionConfig.model_validate(config), query_size=Q, memory_size=D)
    assert {name: tuple(parameter.shape) for name, parameter in score.named_parameters()} == expected

"""Weights of every attention are a distribution over what may be looked at, however large scores and inputs are.

B=4 sources, one of a single position, T=5 queries, S=7 positions, Q=6 query width, D=6 memory width; grids of 2 by 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch
from combinations import DECODER_KINDS, ENCODER_KINDS, MIXTURES
from marks import needs_bf16
from tiny import built, close, tokens
from torch import Tensor

from attncli.config.attention import Attention as AttentionConfig
from attncli.models.attention import Attention
from attncli.models.build import build_attention
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.memory import Memory
from attncli.models.multi_head import MultiHeadAttention
from attncli.models.scores import SCORES, Score
from attncli.models.selections import ESTIMATORS, READINGS
from attncli.models.windows import WINDOWS

B, T, S, Q, D = 4, 5, 7, 6, 6
LENGTHS = (1, 7, 4, 2)
LARGE = 1e4
PRECISIONS = pytest.mark.parametrize("precision", ["fp32", "autocast", "bf16"])
SEEDS = range(3)


def arithmetic(precision: str) -> AbstractContextManager[object]:
    return torch.autocast("cpu", torch.bfloat16) if precision == "autocast" else nullcontext()


def random(*shape: int, seed: int, precision: str = "fp32") -> Tensor:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return values.bfloat16() if precision == "bf16" else values


def memory(seed: int, *, scale: float, grid: bool, precision: str) -> Memory:
    positions = 8 if grid else S
    lengths = torch.full((B,), positions) if grid else torch.tensor(LENGTHS)
    states = scale * random(B, positions, D, seed=seed, precision=precision)
    mask = torch.arange(positions) < lengths[:, None]
    return replace(Memory.of(states, mask, states[:, 0], (2, 4) if grid else None), keys=torch.arange(B))


def attention(precision: str, *, grid: bool = False, scale: float = 1.0, **keys: Any) -> Attention:
    """Return an attention whose weights are `scale` times as large as others."""
    torch.manual_seed(1)
    limit = {"maximum_source_length": S} if keys.get("score") == "location" else {}
    config = AttentionConfig.model_validate({**limit, **keys})
    model = build_attention(config, query_size=Q, memory_size=D, memory_axes=2 if grid else 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
    return model.bfloat16() if precision == "bf16" else model


def assert_distribution(weights: Tensor, allowed: Tensor, sums: Tensor) -> None:
    """Assert that rows of `weights` sum to `sums`, with nothing where it is not `allowed`."""
    assert weights.dtype == torch.float32
    assert weights.isfinite().all()
    assert (weights >= 0).all()
    assert (weights[~allowed.expand_as(weights)] == 0).all()
    close(weights.sum(-1), sums.expand(weights.shape[:-1]), tolerance=1e-5)


def both(window: str) -> Iterator[bool]:
    """Yield whether the memory is a grid, for every memory that the window is for."""
    yield False
    if window != "local_m":
        yield True


@PRECISIONS
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("score", SCORES)
def test_weights_of_huge_scores_are_a_distribution_over_the_window(score: str, window: str, precision: str) -> None:
    half_width: dict[str, Any] = {} if window == "global" else {"half_width": 1}
    largest = 0.0
    for grid, seed in product(both(window), SEEDS):
        if grid and score == "location":
            continue
        model = attention(precision, grid=grid, scale=30_000.0, score=score, window=window, **half_width)
        found = memory(seed, scale=100.0, grid=grid, precision=precision)
        query, steps = 100.0 * random(B, T, Q, seed=seed + 10, precision=precision), torch.arange(T).expand(B, T)
        with arithmetic(precision), torch.no_grad():
            prepared = model.prepare(found)
            glimpse = model(query, prepared, steps)
            focus = model.window(query, steps, prepared.window)
            scores = model.score(query, prepared.keys).double()
        largest = max(largest, float(scores.abs().max()))
        shares = scores.masked_fill(~focus.inside, -torch.inf).softmax(-1)
        expected = shares if focus.factor is None else shares * focus.factor
        assert focus.inside.any(-1).all()
        assert not (focus.inside & ~found.mask[:, None]).any()
        assert_distribution(glimpse.weights, focus.inside, expected.sum(-1).float())
        close(glimpse.weights, expected.float())
        assert glimpse.context.isfinite().all()
        if window != "local_p":
            close(glimpse.weights.sum(-1), torch.ones(B, T))
    assert largest >= LARGE


class Given(Score):
    """Gives the scores that it was given."""

    def __init__(self, scores: Tensor):
        super().__init__()
        self.scores = scores

    def project(self, states: Tensor) -> Tensor:
        return states

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        return self.scores


@PRECISIONS
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("fill", ["all high", "all low", "padding high", "one high", "both ends"])
def test_padding_gets_nothing_however_the_scores_lie(fill: str, window: str, precision: str) -> None:
    found = memory(1, scale=1.0, grid=False, precision=precision)
    real = found.mask[:, None].expand(B, T, S)
    scores = {
        "all high": torch.full((B, T, S), LARGE),
        "all low": torch.full((B, T, S), -LARGE),
        "padding high": torch.where(real, -LARGE, LARGE),
        "one high": torch.full((B, T, S), -LARGE).index_fill(2, torch.tensor([0]), LARGE),
        "both ends": torch.where(torch.arange(S) % 2 == 0, LARGE, -LARGE).expand(B, T, S),
    }[fill]
    half_width = None if window == "global" else 2
    model = attention(precision, window=window, score="general", half_width=half_width)
    model.score = Given(scores.bfloat16() if precision == "bf16" else scores)
    query = random(B, T, Q, seed=3, precision=precision)
    with arithmetic(precision), torch.no_grad():
        weights = model(query, model.prepare(found), torch.arange(T).expand(B, T)).weights
    assert (weights[~real] == 0).all()
    assert weights.isfinite().all()
    if window == "local_p":
        assert (weights.sum(-1) <= 1 + 1e-6).all()
    else:
        close(weights.sum(-1), torch.ones(B, T), tolerance=1e-6)
        assert (weights[0, :, 0] == 1).all(), "a source of one position is read there"


@PRECISIONS
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("way", [*ESTIMATORS, *READINGS])
def test_what_is_chosen_is_real(way: str, window: str, precision: str) -> None:
    keys: dict[str, Any] = {"estimator": way} if way in ESTIMATORS else {"inference": way}
    if window != "global":
        keys["half_width"] = 1
    for seed in SEEDS:
        found = memory(seed, scale=100.0, grid=False, precision=precision)
        model = attention(precision, scale=100.0, score="general", window=window, selection="hard", **keys)
        model.train(way in ESTIMATORS)
        query, steps = 100.0 * random(B, T, Q, seed=seed + 10, precision=precision), torch.arange(T).expand(B, T)
        with arithmetic(precision):
            prepared = model.prepare(found)
            weights = model(query, prepared, steps).weights.detach()
            mixture = model.selection(weights, prepared.selection, steps).mixture
        assert mixture.isfinite().all()
        assert (mixture[~found.mask[:, None].expand_as(mixture)] == 0).all()
        close(mixture.sum(-1), weights.sum(-1), tolerance=1e-5)


@PRECISIONS
def test_every_head_gives_huge_scores_a_distribution(precision: str) -> None:
    torch.manual_seed(1)
    heads = MultiHeadAttention(Q, looked_at_size=D, heads=2)
    heads = heads.bfloat16() if precision == "bf16" else heads
    for seed in SEEDS:
        found = memory(seed, scale=3 * LARGE, grid=False, precision=precision)
        mask, states = found.mask[:, None, None], LARGE * random(B, T, Q, seed=seed + 10, precision=precision)
        with arithmetic(precision), torch.no_grad():
            looked_at = heads.project(found.states)
            seen, weights = heads.read(states, looked_at, mask)
            assert_distribution(weights, mask, torch.tensor(1.0))
            assert torch.equal(weights, heads.weights(states, looked_at, mask))
            assert heads(states, looked_at, mask).isfinite().all()
        assert seen.isfinite().all()


SOURCE = tokens([], [4, 5, 6, 7, 8], [7, 4])  # one of the end symbol alone
TARGET = tokens([5, 4, 9], [], [4, 5, 6, 7])


def wild(overrides: tuple[str, ...]) -> EncoderDecoder:
    return built(*overrides, spread=200.0)


@pytest.mark.parametrize("precision", ["fp32", pytest.param("autocast", marks=needs_bf16)])
@pytest.mark.parametrize("name", [f"{encoder}-{decoder}" for encoder in ENCODER_KINDS for decoder in DECODER_KINDS])
def test_weights_of_whole_models_with_huge_parameters_are_distributions(name: str, precision: str) -> None:
    model = wild(MIXTURES[name])
    with arithmetic(precision), torch.no_grad():
        memory = model.encode(SOURCE)
        found = model.head_weights(SOURCE, memory, TARGET)
    if found.cross is not None:
        allowed = SOURCE.mask[:, None, None, None].expand_as(found.cross)
        assert_distribution(found.cross, allowed, torch.tensor(1.0))
    for weights, side in ((found.encoder, SOURCE), (found.decoder, TARGET)):
        if weights is not None:
            assert weights.isfinite().all()
            of_real_at_padding = side.mask[:, None, None, :, None] & ~side.mask[:, None, None, None]
            assert (weights[of_real_at_padding.expand_as(weights)] == 0).all()
            sums = weights.sum(-1).movedim(0, -2)[..., side.mask]  # [L, heads, real positions]
            assert ((sums - 1).abs().lt(1e-5) | (sums == 0)).all(), "a layer that looks back has nothing at first"

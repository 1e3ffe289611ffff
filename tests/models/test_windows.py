"""Windows against loops over their definitions.

B=2 sources, K=3 hypotheses of each, T=4 queries, S=7 positions, Q=5 query width; grids of 3 by 4 regions.
"""

from __future__ import annotations

import math
from itertools import product
from typing import get_args

import pytest
import torch
from tiny import close
from torch import Tensor

from attncli.config.attention import Attention as AttentionConfig
from attncli.config.attention import WindowName
from attncli.models.attention import Attention
from attncli.models.build import build_attention
from attncli.models.memory import Memory
from attncli.models.windows import WINDOWS, Focus, GlobalWindow, MonotonicWindow, PredictiveWindow

B, K, T, S, Q, D = 2, 3, 4, 7, 5, 6
LENGTHS = (7, 4)
GRID = (3, 4)


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def words() -> Memory:
    """Return a memory whose second source is shorter."""
    mask = torch.arange(S) < torch.tensor(LENGTHS)[:, None]
    return Memory.of(random(B, S, D, seed=2), mask, random(B, D, seed=3))


def regions() -> Memory:
    count = GRID[0] * GRID[1]
    return Memory.of(random(B, count, D, seed=2), torch.ones(B, count, dtype=torch.bool), random(B, D, seed=3), GRID)


def predictive(half_width: int, *, axes: int, spread: float = 3.0) -> PredictiveWindow:
    torch.manual_seed(4)
    window = PredictiveWindow(Q, half_width, axes=axes)
    with torch.no_grad():
        window.place.weight.mul_(spread * math.sqrt(Q))  # so that places differ, and some lie past the last position
    return window.requires_grad_(requires_grad=False)


def attention(*, window: str, half_width: int | None = None, axes: int = 1, score: str = "additive") -> Attention:
    torch.manual_seed(1)
    config = AttentionConfig.model_validate({"score": score, "window": window, "half_width": half_width})
    return build_attention(config, query_size=Q, memory_size=D, memory_axes=axes)


def focused(window: GlobalWindow | MonotonicWindow | PredictiveWindow, memory: Memory, steps: Tensor | None) -> Focus:
    focus: Focus = window(random(B, T, Q, seed=5), steps, window.prepare(memory))
    return focus


def predicted(window: PredictiveWindow, query: Tensor, axis: int) -> float:
    """Return sigmoid(v · tanh(W q)) by sums over single numbers."""
    hidden = [math.tanh(sum(float(window.hidden.weight[i, j]) * float(query[j]) for j in range(Q))) for i in range(Q)]
    v = window.place.weight[axis] / math.sqrt(Q)
    return 1 / (1 + math.exp(-sum(float(v[i]) * hidden[i] for i in range(Q))))


def test_every_window_of_the_configuration_is_there() -> None:
    assert set(WINDOWS) == set(get_args(WindowName))


def test_the_global_window_is_the_mask() -> None:
    focus = focused(GlobalWindow(), words(), None)
    assert torch.equal(focus.inside.expand(B, T, S), words().mask[:, None].expand(B, T, S))
    assert (focus.factor, focus.centres, focus.half_width) == (None, None, None)


@pytest.mark.parametrize("half_width", [1, 2])
def test_local_m_follows_its_definition(half_width: int) -> None:
    steps = torch.tensor([[0, 1, 2, 9], [0, 3, 4, 5]])
    focus = focused(MonotonicWindow(half_width), words(), steps)
    for b, t in product(range(B), range(T)):
        centre = min(int(steps[b, t]), LENGTHS[b] - 1)
        assert focus.centres is not None
        assert float(focus.centres[b, t]) == centre
        expected = [s < LENGTHS[b] and abs(s - centre) <= half_width for s in range(S)]
        assert focus.inside[b, t].tolist() == expected
        assert any(expected)
    assert focus.factor is None
    assert focus.half_width == half_width


@pytest.mark.parametrize("half_width", [1, 2])
def test_local_p_follows_its_definition(half_width: int) -> None:
    window, query = predictive(half_width, axes=1), random(B, T, Q, seed=5)
    focus = focused(window, words(), None)
    assert focus.centres is not None
    assert focus.factor is not None
    beyond = 0
    for b, t in product(range(B), range(T)):
        centre = LENGTHS[b] * predicted(window, query[b, t], 0)
        beyond += centre > LENGTHS[b] - 1
        assert float(focus.centres[b, t]) == pytest.approx(centre, abs=1e-5)
        assert focus.inside[b, t].tolist() == [s < LENGTHS[b] and abs(s - centre) <= half_width for s in range(S)]
        sigma = half_width / 2
        for s in range(S):
            expected = math.exp(-((s - centre) ** 2) / (2 * sigma**2))
            assert float(focus.factor[b, t, s]) == pytest.approx(expected, abs=1e-5)
    assert 0 < beyond < B * T


@pytest.mark.parametrize("half_width", [1, 2])
def test_local_p_on_a_grid_is_a_square_with_a_gaussian_on_both_axes(half_width: int) -> None:
    window, query = predictive(half_width, axes=2), random(B, T, Q, seed=5)
    focus = focused(window, regions(), None)
    assert focus.centres is not None
    assert focus.factor is not None
    for b, t in product(range(B), range(T)):
        centre = [GRID[axis] * predicted(window, query[b, t], axis) for axis in (0, 1)]
        close(focus.centres[b, t], torch.tensor(centre))
        for row, column in product(range(GRID[0]), range(GRID[1])):
            s = row * GRID[1] + column  # unrolled row by row
            away = (abs(row - centre[0]), abs(column - centre[1]))
            assert bool(focus.inside[b, t, s]) == (max(away) <= half_width)
            gaussians = [math.exp(-(distance**2) / (2 * (half_width / 2) ** 2)) for distance in away]
            assert float(focus.factor[b, t, s]) == pytest.approx(gaussians[0] * gaussians[1], abs=1e-5)


@torch.no_grad()
def test_weights_are_the_softmax_inside_the_window_times_the_gaussian_and_not_brought_back_to_1() -> None:
    model, memory, query = attention(window="local_p", half_width=1), words(), random(B, T, Q, seed=5)
    glimpse = model(query, model.prepare(memory))
    focus = model.window(query, None, model.window.prepare(memory))
    scores = model.score(query, model.score.project(memory.states))
    for b, t in product(range(B), range(T)):
        inside = [s for s in range(S) if focus.inside[b, t, s]]
        total = sum(math.exp(float(scores[b, t, s])) for s in inside)
        for s in range(S):
            share = math.exp(float(scores[b, t, s])) / total if s in inside else 0.0
            assert float(glimpse.weights[b, t, s]) == pytest.approx(share * float(focus.factor[b, t, s]), abs=1e-6)
    close(glimpse.context, torch.einsum("bts,bsd->btd", glimpse.weights, memory.states))
    sums = glimpse.weights.sum(-1)
    assert (sums < 0.999).all()
    assert (sums > 0).all()


def test_a_wide_local_m_is_global() -> None:
    memory, query = words(), random(B, T, Q, seed=5)
    everywhere, local = attention(window="global"), attention(window="local_m", half_width=S)
    expected = everywhere(query, everywhere.prepare(memory))
    found = local(query, local.prepare(memory), torch.arange(T).expand(B, T))
    assert torch.equal(found.weights, expected.weights)
    assert torch.equal(found.context, expected.context)


@pytest.mark.parametrize(("window", "axes"), [("local_m", 1), ("local_p", 1), ("local_p", 2)])
def test_nothing_outside_the_window_has_weight_or_gradient(window: str, axes: int) -> None:
    model, memory = attention(window=window, half_width=1, axes=axes), words() if axes == 1 else regions()
    states, query = memory.states.requires_grad_(), random(B, 1, Q, seed=5)
    steps = torch.tensor([[2], [9]])
    glimpse = model(query, model.prepare(memory), steps)
    inside = model.window(query, steps, model.window.prepare(memory)).inside[:, 0]
    assert (glimpse.weights[:, 0][~inside] == 0).all()
    assert (glimpse.weights[:, 0][inside] > 0).all()
    glimpse.context.sum().backward()
    assert states.grad is not None
    assert (states.grad[~inside] == 0).all()
    assert (states.grad[inside].abs().sum(-1) > 0).all()


@pytest.mark.parametrize("axes", [1, 2])
def test_a_place_past_the_last_position_learns_like_any_other(axes: int) -> None:
    window = predictive(2, axes=axes).double()
    memory, query = words() if axes == 1 else regions(), random(B, T, Q, seed=5).double().requires_grad_()
    places, step = window.prepare(memory), 1e-3  # places are in float32
    favoured = random(B, T, memory.mask.shape[1], seed=6).double()

    def value(asked: Tensor) -> Tensor:
        factor = window(asked, None, places).factor
        assert factor is not None
        total: Tensor = (factor * favoured).sum((1, 2))
        return total

    [gradient] = torch.autograd.grad(value(query).sum(), query)
    centres = window(query, None, places).centres
    assert centres is not None
    beyond = (centres > places.sizes[:, None] - 1).any(-1)
    assert beyond.any()
    for b, t in beyond.nonzero().tolist():
        assert gradient[b, t].abs().max() > 0.01
        for unit in range(Q):
            push = torch.zeros_like(query)
            push[b, t, unit] = step
            with torch.no_grad():
                slope = (value(query + push) - value(query - push))[b] / (2 * step)
            assert float(slope) == pytest.approx(float(gradient[b, t, unit]), abs=2e-3)


@pytest.mark.parametrize("axes", [1, 2])
def test_places_past_the_last_position_leave_no_window_empty(axes: int) -> None:
    window = predictive(1, axes=axes, spread=1e4)
    memory = words() if axes == 1 else regions()
    focus = focused(window, memory, None)
    sizes = torch.tensor([[[7.0]], [[4.0]]]) if axes == 1 else torch.tensor([[[3.0, 4.0]]])
    assert focus.centres is not None
    assert (focus.centres >= 0).all()
    assert (focus.centres <= sizes).all()
    assert (focus.centres == sizes).any(), "some are as far as they can be"
    assert focus.inside.any(-1).all()


@pytest.mark.parametrize("axes", [1, 2])
def test_a_few_updates_do_not_drive_places_to_the_ends_where_nothing_moves_them(axes: int) -> None:
    torch.manual_seed(1)
    window, memory = PredictiveWindow(256, 2, axes=axes), words() if axes == 1 else regions()
    optimizer, query = torch.optim.Adam(window.parameters(), lr=3e-3), random(B, T, 256, seed=5)
    for _ in range(5):
        found = window(query, None, window.prepare(memory)).centres
        optimizer.zero_grad()
        found.sum().backward()
        optimizer.step()
    shares = torch.sigmoid(window.scale * window.place(torch.tanh(window.hidden(query))))
    # The sigmoid's slope is 0.25 in the middle; without the scale 0.001 to 0.02 is left of it.
    assert (shares * (1 - shares) > 0.1).all()


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("part", ["hidden", "place"])
def test_the_gradient_of_the_predicted_place_is_that_of_finite_differences(part: str, axes: int) -> None:
    memory = words() if axes == 1 else regions()
    memory = Memory.of(memory.states.double(), memory.mask, memory.summary.double(), memory.parts[0].grid)
    model, query = attention(window="local_p", half_width=2, axes=axes).double(), random(B, T, Q, seed=5).double()
    # Exact softmax: the attention itself works in float32.
    focus_weights = random(B, T, memory.mask.shape[1], seed=6).double()
    weight = getattr(model.window, part).weight

    def value() -> Tensor:
        glimpse = model(query, model.prepare(memory))
        total: Tensor = (glimpse.weights.double() * focus_weights).sum()
        return total

    [gradient] = torch.autograd.grad(value(), weight)
    assert gradient.abs().sum() > 0
    step = 1e-2
    with torch.no_grad():
        for index in product(*map(range, weight.shape)):
            inside = model.window(query, None, model.window.prepare(memory)).inside
            values = []
            for sign in (1, -1):
                weight[index] += sign * step
                values.append(float(value()))
                unmoved = torch.equal(model.window(query, None, model.window.prepare(memory)).inside, inside)
                weight[index] -= sign * step
                if not unmoved:
                    break
            else:  # a window that gains or loses a position has no derivative there
                assert float(gradient[index]) == pytest.approx((values[0] - values[1]) / (2 * step), abs=2e-3)


@pytest.mark.parametrize("window", ["local_m", "local_p"])
def test_hypotheses_read_the_window_of_their_own_step_and_query(window: str) -> None:
    model, memory = attention(window=window, half_width=1), words()
    query, steps = random(B * K, T, Q, seed=5), torch.arange(B * K)[:, None] + torch.arange(T)
    repeated = Memory.of(
        memory.states.repeat_interleave(K, 0),
        memory.mask.repeat_interleave(K, 0),
        memory.summary.repeat_interleave(K, 0),
    )
    found = model(query, model.prepare(memory), steps)
    expected = model(query, model.prepare(repeated), steps)
    for name in ("context", "weights"):
        close(getattr(found, name), getattr(expected, name))
    close(found.marks.centres, expected.marks.centres)
    assert found.marks.centres.shape == (B * K, T, 1)


@pytest.mark.parametrize("window", ["local_m", "local_p"])
def test_windows_are_in_full_precision_under_autocast(window: str) -> None:
    model, memory, query = attention(window=window, half_width=1), words(), random(B, T, Q, seed=5)
    with torch.autocast("cpu", torch.bfloat16):
        glimpse = model(query, model.prepare(memory), torch.arange(T).expand(B, T))
    assert glimpse.weights.dtype == glimpse.marks.centres.dtype == torch.float32
    if window == "local_m":
        close(glimpse.weights.sum(-1), torch.ones(B, T), tolerance=1e-6)


def test_local_m_is_refused_for_a_grid() -> None:
    with pytest.raises(AssertionError, match="a grid has no order"):
        MonotonicWindow(1).prepare(regions())
    with pytest.raises(AssertionError, match="the config refuses local_m for a grid"):
        attention(window="local_m", axes=2)


def test_a_memory_is_as_large_as_its_grid() -> None:
    memory = words()
    with pytest.raises(AssertionError, match="a grid has a region a position"):
        predictive(1, axes=2).prepare(Memory.of(memory.states, memory.mask, memory.summary, (2, 3)))


def test_the_paper_s_half_width_is_the_default() -> None:
    window = attention(window="local_p").window
    assert isinstance(window, PredictiveWindow)
    assert window.half_width == 10


@pytest.mark.parametrize("window", ["local_m", "local_p"])
def test_places_are_exact_where_weights_are_bfloat16(window: str) -> None:
    long = 600  # bfloat16 knows no odd whole numbers over 256
    model = attention(window=window, half_width=1).bfloat16()
    memory = Memory.of(
        random(1, long, D, seed=2).bfloat16(), torch.ones(1, long, dtype=torch.bool), random(1, D, seed=3).bfloat16()
    )
    steps = torch.tensor([[300, 301, 302, 599]])
    glimpse = model(random(1, T, Q, seed=5).bfloat16(), model.prepare(memory), steps)
    assert glimpse.weights.dtype == glimpse.marks.centres.dtype == torch.float32
    assert glimpse.context.dtype == torch.bfloat16
    if window == "local_m":
        assert glimpse.marks.centres[0, :, 0].tolist() == [300, 301, 302, 599]
    inside = [abs(s - centre) <= 1 for centre in glimpse.marks.centres[0, :, 0].tolist() for s in range(long)]
    assert (glimpse.weights > 0).flatten().tolist() == inside

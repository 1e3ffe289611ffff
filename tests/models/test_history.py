"""Attention that looks back: coverage (See et al. 2017) and location-awareness (Chorowski et al. 2015).

B=2 sources, T=3 queries, S=5 positions, Q=6 query width, D=7 memory width, A=4 score width, X=2 filters of width 3.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny import built, close, configured
from torch import Tensor

from attncli.config.attention import Attention as AttentionConfig
from attncli.errors import ConfigError
from attncli.losses import repeated_attention
from attncli.models.attention import Attention, sigmoid_over_sum
from attncli.models.build import build_attention
from attncli.models.decoders.recurrent import AttentionalDecoder
from attncli.models.history import HistoryScore, Past
from attncli.models.memory import Memory
from attncli.models.scores import AdditiveScore

B, T, S, Q, D, A, X, WIDTH = 2, 3, 5, 6, 7, 4, 2, 3
MASK = torch.arange(S) < torch.tensor([S, 3])[:, None]


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def made(*, coverage: bool = True, filters: int = X) -> HistoryScore:
    torch.manual_seed(1)
    score = HistoryScore(
        Q, D, A, coverage=coverage, filters=filters, filter_width=WIDTH, initial_alignment="first"
    ).double()
    score.memory.bias.data.normal_()
    return score


def past_of(seed: int, rows: int = B) -> Past:
    """Return some past whose weights lie on real positions, a row per source or several of each."""
    mask = MASK.repeat_interleave(rows // B, 0)
    previous = random(rows, S, seed=seed).masked_fill(~mask, -torch.inf).softmax(-1)
    return Past(previous, previous + random(rows, S, seed=seed + 1).abs() * mask)


@pytest.mark.parametrize(("coverage", "filters"), [(True, 0), (False, X), (True, X)])
def test_scores_are_those_of_the_equations(coverage: bool, filters: int) -> None:
    score, query, states = made(coverage=coverage, filters=filters), random(B, T, Q, seed=2), random(B, S, D, seed=3)
    past = past_of(4, rows=B * T)
    found = score(query, score.project(states), past)
    for b in range(B):
        for t in range(T):
            row = b * T + t
            for s in range(S):
                features = [past.total[row, s]] if coverage else []
                for at in range(filters):
                    assert score.filters is not None
                    f = torch.zeros((), dtype=torch.float64)
                    for r in range(WIDTH):
                        place = s + r - WIDTH // 2
                        if 0 <= place < S:
                            f = f + score.filters.weight[at, 0, r] * past.previous[row, place]
                    features.append(f)
                hidden = score.query.weight @ query[b, t] + score.memory.weight @ states[b, s] + score.memory.bias
                hidden = hidden + score.history.weight @ torch.stack(features)
                close(found[b, t, s], score.energy.weight[0] @ hidden.tanh(), tolerance=1e-10)


def test_without_weight_on_the_history_it_is_the_additive_score() -> None:
    score, plain = made(), AdditiveScore(Q, D, A).double()
    score.history.weight.data.zero_()
    score.memory.bias.data.zero_()
    for name in ("query", "memory", "energy"):
        getattr(plain, name).weight.data.copy_(getattr(score, name).weight)
    query, states = random(B, 1, Q, seed=2), random(B, S, D, seed=3)
    close(score(query, score.project(states), past_of(4)), plain(query, plain.project(states)), tolerance=1e-6)


def test_weights_and_states_that_shift_together_shift_the_scores() -> None:
    score, query, states, past = made(), random(B, 1, Q, seed=2), random(B, S, D, seed=3), past_of(4)
    ends = torch.zeros(B, 1, dtype=torch.float64)
    quiet = Past(torch.cat([ends, past.previous[:, :-2], ends], 1), past.total)  # nothing at the ends, where it is cut

    def shifted(values: Tensor) -> Tensor:
        return values.roll(1, 1)

    at_first = score(query, score.project(states), quiet)
    later = score(query, score.project(shifted(states)), Past(shifted(quiet.previous), shifted(quiet.total)))
    close(later[:, :, 2:-1], at_first[:, :, 1:-2], tolerance=1e-10)


def test_gradients_are_those_of_finite_differences() -> None:
    score, query, states = made(), random(B, 1, Q, seed=2), random(B, S, D, seed=3)
    previous, total = past_of(4).previous, past_of(4).total

    def scores(*given: Tensor) -> Tensor:
        q, m, a, c, weight, energy = given
        values = {"history.weight": weight, "energy.weight": energy}

        class Projected(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.score = score

            def forward(self) -> Any:
                return self.score(q, self.score.project(m), Past(a, c))

        return torch.func.functional_call(Projected(), {f"score.{name}": value for name, value in values.items()}, ())  # type: ignore[no-any-return]

    given = (query, states, previous, total, score.history.weight.detach(), score.energy.weight.detach())
    assert torch.autograd.gradcheck(scores, tuple(each.clone().requires_grad_() for each in given))


def test_the_past_holds_the_last_weights_and_their_sum() -> None:
    past = made().start(MASK)
    assert not past.total.any()
    first, second = random(B, S, seed=2).softmax(-1), random(B, S, seed=3).softmax(-1)
    past = past.after(first).after(second)
    close(past.previous, second)
    close(past.total, first + second)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (None, [[1.0, 0, 0, 0, 0], [1.0, 0, 0, 0, 0]]),
        ("first", [[1.0, 0, 0, 0, 0], [1.0, 0, 0, 0, 0]]),
        ("uniform", [[1 / 5] * 5, [1 / 3, 1 / 3, 1 / 3, 0, 0]]),
        ("zeros", [[0.0] * 5] * 2),
    ],
)
def test_the_first_step_sees_the_initial_alignment(name: str | None, expected: list[list[float]]) -> None:
    past = attention(score="additive", location_aware=True, initial_alignment=name).start(MASK)
    assert past is not None
    close(past.previous, torch.tensor(expected))
    assert past.total.shape == MASK.shape
    assert not past.total.any()


def test_what_does_not_look_back_has_no_past() -> None:
    assert attention(score="additive").start(MASK) is None


def attention(**keys: Any) -> Attention:
    torch.manual_seed(1)
    return build_attention(AttentionConfig.model_validate(keys), query_size=Q, memory_size=D)


def test_a_temperature_divides_the_scores_and_a_sigmoid_is_normalised() -> None:
    memory = Memory.of(random(B, S, D, seed=3).float(), MASK, random(B, D, seed=4).float())
    query = random(B, T, Q, seed=2).float()
    plain = attention(score="general")
    scores = plain.score(query, plain.score.project(memory.states))
    sharp = attention(score="general", temperature=0.25)
    close(
        sharp(query, sharp.prepare(memory)).weights,
        (scores * 4).masked_fill(~MASK[:, None], -torch.inf).softmax(-1),
        tolerance=1e-6,
    )
    smooth = attention(score="general", normalisation="sigmoid", temperature=0.5)
    expected = (scores * 2).sigmoid() * MASK[:, None]
    close(smooth(query, smooth.prepare(memory)).weights, expected / expected.sum(-1, keepdim=True), tolerance=1e-6)


def test_a_sigmoid_over_its_sum_survives_scores_that_underflow() -> None:
    close(sigmoid_over_sum(torch.tensor([-400.0, -400.0, -torch.inf]), -1), torch.tensor([0.5, 0.5, 0.0]))


def test_repeated_attention_is_summed_over_real_steps() -> None:
    weights = random(B, T, S, seed=2).softmax(-1)
    steps = torch.tensor([[True, True, True], [True, True, False]])
    expected = 0.0
    for b in range(B):
        for t in range(T):
            for s in range(S):
                if steps[b, t]:
                    expected += min(float(weights[b, t, s]), sum(float(weights[b, u, s]) for u in range(t)))
    assert float(repeated_attention(weights, steps)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("{score: general, coverage: true}", "coverage belongs to score: additive, but score is general; remove it"),
        (
            "{score: dot, location_aware: true}",
            "location_aware belongs to score: additive, but score is dot; remove it",
        ),
        ("{coverage_loss: 0.5}", "coverage_loss belongs to coverage: true, but coverage is false; remove it"),
        ("{filters: 4}", "filters belongs to location_aware: true, but location_aware is false; remove it"),
        ("{filter_width: 5}", "filter_width belongs to location_aware: true, but location_aware is false; remove it"),
        (
            "{initial_alignment: first}",
            "initial_alignment belongs to location_aware: true, but location_aware is false; remove it",
        ),
        ("{location_aware: true, filter_width: 4}", "filter_width 4 has no middle; choose an odd number"),
    ],
)
def test_keys_that_belong_elsewhere_are_refused(override: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        configured(f"model.attention={override}")


def test_the_defaults_are_those_that_are_documented() -> None:
    [aware, both] = [
        attention(score="additive", location_aware=True).score,
        attention(score="additive", location_aware=True, coverage=True).score,
    ]
    assert isinstance(aware, HistoryScore)
    assert aware.filters is not None
    assert aware.filters.weight.shape == (10, 1, 101)
    assert isinstance(both, HistoryScore)
    assert both.history.in_features == 11
    assert AttentionConfig(coverage=True).coverage_weight == 1.0
    assert AttentionConfig(coverage=True, coverage_loss=0.25).coverage_weight == 0.25
    assert AttentionConfig().coverage_weight == 0.0


def test_a_decoder_starts_from_the_initial_alignment() -> None:
    model = built("model.attention={location_aware: true, initial_alignment: uniform}")
    memory = Memory.of(random(B, S, 10, seed=3).float(), MASK, random(B, 10, seed=4).float())
    decoder = model.decoder
    assert isinstance(decoder, AttentionalDecoder)
    state = decoder.start(decoder.prepare(memory))
    assert state.past is not None
    close(state.past.previous, MASK / MASK.sum(1, keepdim=True))

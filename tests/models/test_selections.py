"""Soft and hard selection: what is read, and that REINFORCE's estimate is right on the average.

B=2 sources, T=4 queries, S=5 positions, D=6 memory width; small ones are enumerated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, get_args

import pytest
import torch
from tiny import built, close, configured, part_of, scored, tokens
from torch import Tensor

from attncli.config.attention import Attention as AttentionConfig
from attncli.config.attention import EstimatorName, InferenceName, Reinforce, SelectionName, StraightThrough
from attncli.data.tokens import Tokens
from attncli.decoding.search import Hypothesis, search
from attncli.decoding.strategies import BestK
from attncli.losses import SummedLoss
from attncli.models import selections
from attncli.models.attention import Attention, Glimpse
from attncli.models.build import build_attention
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.memory import Memory
from attncli.models.selections import (
    ESTIMATORS,
    READINGS,
    SELECTIONS,
    Draws,
    HardSelection,
    ReinforceSelection,
    StraightThroughSelection,
)
from attncli.training.task import Batches
from attncli.training.updates import Updater

B, T, S, Q, D = 2, 4, 5, 6, 7
LENGTHS = (5, 3)
ALWAYS = "{kind: reinforce, expectation_rate: 1.0}"


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def attention(**keys: Any) -> Attention:
    torch.manual_seed(1)
    config = AttentionConfig.model_validate({"score": "general", **keys})
    return build_attention(config, query_size=Q, memory_size=D)


def memory() -> Memory:
    mask = torch.arange(S) < torch.tensor(LENGTHS)[:, None]
    return replace(Memory.of(random(B, S, D, seed=2), mask, random(B, D, seed=3)), keys=torch.tensor([3, 4]))


def read(model: Attention, *, seed: int = 0) -> Glimpse:
    torch.manual_seed(seed)
    found = memory()
    glimpse: Glimpse = model(random(B, T, Q, seed=4), model.prepare(found), torch.arange(T).expand(B, T))
    return glimpse


def hard(overrides: str = "", *extra: str, **built_with: Any) -> EncoderDecoder:
    estimator = (f"model.attention.estimator={overrides}",) if overrides else ()
    return built("model.attention.selection=hard", *estimator, *extra, **built_with)


def test_every_choice_of_the_configuration_is_there() -> None:
    assert set(SELECTIONS) == set(get_args(SelectionName))
    assert set(ESTIMATORS) == set(get_args(EstimatorName))
    assert set(READINGS) == set(get_args(InferenceName))


# In use


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("window", ["global", "local_m", "local_p"])
@torch.no_grad()
def test_argmax_reads_the_likeliest_position_alone(window: str, estimator: str) -> None:
    model = attention(selection="hard", estimator=estimator, window=window).eval()
    glimpse = read(model)
    assert glimpse.marks is not None
    assert glimpse.marks.chosen is not None
    assert glimpse.draws is None
    for b, t in product(range(B), range(T)):
        row = glimpse.weights[b, t]
        s = max(range(S), key=lambda s: float(row[s]))
        assert int(glimpse.marks.chosen[b, t]) == s
        # With local_p, whose rows sum to less than 1, as much of it as soft attention would read in all.
        close(glimpse.context[b, t], memory().states[b, s] * row.sum())
    if window != "local_p":
        close(glimpse.weights.sum(-1), torch.ones(B, T), tolerance=1e-6)


@pytest.mark.parametrize("window", ["global", "local_p"])
@torch.no_grad()
def test_the_expectation_of_hard_attention_is_soft_attention(window: str) -> None:
    soft = read(attention(window=window))
    for model in (
        attention(window=window, selection="hard", inference="expectation").eval(),
        attention(window=window, selection="hard", estimator=Reinforce(expectation_rate=1.0)).train(),
    ):
        found = read(model)
        assert torch.equal(found.context, soft.context)
        assert torch.equal(found.weights, soft.weights)


@pytest.mark.parametrize("window", ["global", "local_p"])
@torch.no_grad()
def test_the_mean_of_many_draws_is_soft_attention(window: str) -> None:
    soft = read(attention(window=window)).context
    model = attention(window=window, selection="hard", estimator=Reinforce(expectation_rate=0.0)).train()
    draws = torch.stack([read(model, seed=seed).context for seed in range(800)])
    error = draws.std(0) / math.sqrt(len(draws))
    assert ((draws.mean(0) - soft).abs() <= 5 * error + 1e-6).all()


@torch.no_grad()
def test_samples_are_as_likely_as_their_weights_and_the_same_each_time() -> None:
    first, again = (read(attention(selection="hard", inference="sample").eval(), seed=seed) for seed in (1, 2))
    assert torch.equal(first.context, again.context), "torch's own random state does not matter"
    counts = torch.zeros(B, T, S)
    for seed in range(500):
        glimpse = read(attention(selection="hard", inference="sample", sampling_seed=seed).eval())
        assert glimpse.marks is not None
        assert glimpse.marks.chosen is not None
        counts.scatter_add_(-1, glimpse.marks.chosen[..., None], torch.ones(B, T, 1))
    shares = counts / 500
    assert ((shares - first.weights).abs() <= 5 * (first.weights * (1 - first.weights) / 500).sqrt() + 1e-9).all()
    assert (counts[1, :, LENGTHS[1] :] == 0).all()


SENTENCES = [[4, 5, 6], [7], [8, 9, 10, 4, 5], [4, 6], [9, 4, 4, 11, 12, 5, 7]]


def sampler(*overrides: str) -> EncoderDecoder:
    return hard("", "model.attention.inference=sample", *overrides, spread=2.0)


def found_by(model: EncoderDecoder, rows: Sequence[list[int]], *, beam_size: int) -> list[list[Hypothesis]]:
    with torch.inference_mode():
        return search(
            model.decoder,
            model.encode(tokens(*rows)),
            strategy=BestK(),
            beam_size=beam_size,
            max_length=7,
            length_penalty=1.0,
            with_weights=True,
        )


def assert_same(found: list[Hypothesis], expected: list[Hypothesis]) -> None:
    assert [each.tokens for each in found] == [each.tokens for each in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.log_prob == pytest.approx(other.log_prob, abs=1e-4)
        assert torch.equal(one.marks.chosen, other.marks.chosen)


QUERIES = pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("model.decoder.input_feeding=true",),
        ("model.decoder.query=previous_state", "model.attention.window=local_p", "model.attention.half_width=2"),
        ("model.attention.window=local_m", "model.attention.half_width=1"),
    ],
    ids=["current", "feeding", "previous-local_p", "local_m"],
)


@QUERIES
@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_a_sentence_is_read_the_same_in_every_batch(overrides: tuple[str, ...], beam_size: int) -> None:
    model = sampler(*overrides)
    alone = [found_by(model, [row], beam_size=beam_size)[0] for row in SENTENCES]
    assert len({tuple(found[0].marks.chosen.tolist()) for found in alone}) > 1
    order = list(range(len(SENTENCES)))
    for batch in (order, order[::-1], order[2:], [0, 4], [0, 3, 1], [1, 0, 1, 1]):
        found = found_by(model, [SENTENCES[at] for at in batch], beam_size=beam_size)
        for at, hypotheses in zip(batch, found, strict=True):
            assert_same(hypotheses, alone[at])


@QUERIES
@torch.inference_mode()
def test_every_sampled_hypothesis_is_worth_what_it_says(overrides: tuple[str, ...]) -> None:
    model = sampler(*overrides)
    for row, hypotheses in zip(SENTENCES, found_by(model, SENTENCES, beam_size=3), strict=True):
        for found in hypotheses:
            ids = torch.tensor([found.tokens])
            forced = model.force(tokens(row), Tokens(ids, torch.tensor([ids.shape[1]])))
            log_probs = model.decoder.output(forced.features).log_softmax(-1).gather(-1, ids[..., None])
            assert float(log_probs.sum()) == pytest.approx(found.log_prob, abs=1e-4)
            assert forced.marks is not None
            assert forced.marks.chosen is not None
            assert torch.equal(forced.marks.chosen[0], found.marks.chosen)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_nothing_is_drawn_out_of_training_unless_asked_for(estimator: str) -> None:
    model = hard(estimator)
    before = torch.get_rng_state()
    first = model.loss(tokens([4, 5, 6], [7]), tokens([5, 4], [6, 7]), label_smoothing=0.0).total
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(model.loss(tokens([4, 5, 6], [7]), tokens([5, 4], [6, 7]), label_smoothing=0.0).total, first)
    assert all((buffer == 0).all() for buffer in model.buffers()), "and nothing is learned or counted"


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_same_seed_gives_the_same_draws(estimator: str) -> None:
    losses = []
    for seed in (1, 1, 2):
        model = hard(estimator).train()
        torch.manual_seed(seed)
        loss = model.loss(tokens([4, 5, 6, 7, 8], [7, 5]), tokens([5, 4], [6, 7]), label_smoothing=0.0).total
        torch.autograd.backward(loss)
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        losses.append([loss.detach(), *gradients])
    assert all(torch.equal(one, other) for one, other in zip(losses[0], losses[1], strict=True))
    assert not torch.equal(losses[0][0], losses[2][0])


@pytest.mark.parametrize("query", ["current_state", "previous_state"])
def test_draws_always_replaced_by_their_expectation_train_as_soft_attention_does(query: str) -> None:
    source, target = tokens([4, 5, 6], [7]), tokens([5, 4], [6, 7])
    estimator = "{kind: reinforce, expectation_rate: 1.0, entropy_weight: 0.0}"
    gradients = []
    for model in (hard(estimator, f"model.decoder.query={query}"), built(f"model.decoder.query={query}")):
        torch.autograd.backward(model.train().loss(source, target, label_smoothing=0.1).total)
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        expected = gradients[1][name]
        assert gradient is not None
        assert expected is not None
        assert torch.equal(gradient, expected), name


def test_a_sentence_is_drawn_as_a_whole_or_not_at_all_and_half_of_them_are() -> None:
    selection = ReinforceSelection(by_token=True, reward_weight=0.1, entropy_weight=0.0, expectation_rate=0.5)
    many = Memory.of(torch.zeros(4000, S, 1), torch.ones(4000, S, dtype=torch.bool), torch.zeros(4000, 1))
    weights = torch.full((4000, 3, S), 1 / S)
    torch.manual_seed(1)
    selected = selection(weights, selection.prepare(many))
    drawn = (selected.mixture == 1).any(-1)  # [4000, 3]
    assert (drawn == drawn[:, :1]).all()
    assert abs(float(drawn[:, 0].float().mean()) - 0.5) < 5 * 0.5 / math.sqrt(4000)
    assert selected.draws is not None
    close(selected.draws.log_probs[drawn], torch.tensor(-math.log(S)).expand(int(drawn.sum())))
    assert (selected.draws.log_probs[~drawn] == 0).all()
    close(selected.draws.entropies, torch.full((4000, 3), math.log(S)))


# Learning by REINFORCE

# Source and target of the least cases, and the number of positions: T = 2 and S = 2, T = 1 and S = 3.
LEAST = [(tokens([4]), tokens([5]), 2), (tokens([4, 6]), tokens([]), 3)]


def learner(reward: float, entropy: float, query: str, window: str) -> tuple[EncoderDecoder, ReinforceSelection]:
    weights = f"reward_weight: {reward}, entropy_weight: {entropy}"
    estimator = f"{{kind: reinforce, reward: sentence, {weights}, expectation_rate: 0.0}}"
    asked = (f"model.decoder.query={query}", f"model.attention.window={window}")
    model = hard(estimator, *asked, seed=7, spread=2.0).train()
    return model, part_of(model, "decoder.attention.selection.learning", ReinforceSelection)


def told(positions: tuple[int, ...]) -> Any:
    """Return what draws the `positions`, one a step, whether steps come alone or together."""
    remaining = iter(positions)
    return lambda weights: torch.tensor([[next(remaining) for _ in range(weights.shape[1])]])


def exact_gradient(
    model: EncoderDecoder, source: Tokens, target: Tokens, positions: int, reward: float, entropy: float
) -> Tensor:
    """Return the gradient of Σ p(s) log p(y|s) over all draws s, with the share through p times `reward`, and of Σ p(s)
    times the entropies, in which p is constant, times `entropy`.
    """
    total = torch.zeros(())
    for draws in product(range(positions), repeat=target.ids.shape[1]):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(selections, "_drawn", told(draws))
            forced = model.force(source, target)
        assert forced.draws is not None
        log_y, p = model.log_probs_of(forced, target).sum(), forced.draws.log_probs.sum().exp()
        total = total + (p * log_y if reward == 1 else p.detach() * log_y + reward * p * log_y.detach())
        total = total + entropy * p.detach() * forced.draws.entropies.sum()
    return flat(torch.autograd.grad(total, list(model.parameters()), allow_unused=True))


@pytest.mark.parametrize("least", LEAST, ids=["two steps", "three positions"])
@pytest.mark.parametrize(
    ("reward", "entropy", "baseline", "query", "window"),
    [
        (1.0, 0.0, 0.0, "current_state", "global"),
        (1.0, 0.0, -6.0, "previous_state", "global"),
        (0.1, 0.4, 0.0, "current_state", "local_p"),
        (0.1, 0.4, 5.0, "previous_state", "local_p"),
    ],
)
def test_the_mean_of_the_estimator_is_the_exact_gradient_whatever_the_baseline(
    reward: float, entropy: float, baseline: float, query: str, window: str, least: tuple[Tokens, Tokens, int]
) -> None:
    source, target, positions = least
    model, selection = learner(reward, entropy, query, window)
    exact = exact_gradient(model, source, target, positions, reward, entropy)
    rows, batches = 150, 40
    many = [Tokens(side.ids.expand(rows, -1), side.lengths.expand(rows)) for side in (source, target)]
    torch.manual_seed(2)
    estimates = []
    for _ in range(batches):
        selection.baseline.fill_(baseline)
        loss = model.loss(*many, label_smoothing=0.0).total / rows
        estimates.append(flat(torch.autograd.grad(-loss, list(model.parameters()), allow_unused=True)))
    found = torch.stack(estimates)
    error = found.std(0) / math.sqrt(batches)
    assert ((found.mean(0) - exact).abs() <= 5 * error + 1e-4 * exact.abs().max()).all()
    assert error.max() < 0.2 * exact.abs().max(), "tight enough to tell a wrong estimator"


def flat(gradients: Sequence[Tensor | None]) -> Tensor:
    return torch.cat([gradient.flatten() for gradient in gradients if gradient is not None])


@pytest.mark.parametrize(("by_token", "lengths"), [(False, (1, 1)), (True, (4, 2))])
def test_the_loss_of_draws_follows_its_definition_and_the_baseline_its_updates(
    by_token: bool, lengths: tuple[int, int]
) -> None:
    selection = ReinforceSelection(by_token=by_token, reward_weight=0.3, entropy_weight=0.02, expectation_rate=0.5)
    selection.baseline.fill_(-4.0)
    draws = Draws(-random(B, T, seed=1).abs(), random(B, T, seed=2).abs())
    real = torch.tensor([[True, True, True, True], [True, True, False, False]])
    rewards = torch.tensor([-9.0, -2.0])
    expected = 0.0
    for b, t in product(range(B), range(T)):
        if real[b, t]:
            expected -= 0.3 * (float(rewards[b]) / lengths[b] + 4.0) * float(draws.log_probs[b, t])
            expected -= 0.02 * float(draws.entropies[b, t])
    close(selection.learn(draws, real=real, log_probs=rewards), torch.tensor(expected))
    assert float(selection.baseline) == -4.0
    selection.end_update()
    close(selection.baseline, torch.tensor(0.9 * -4.0 + 0.1 * (-9.0 / lengths[0] - 2.0 / lengths[1]) / 2))


@pytest.mark.parametrize("reward", ["token", "sentence"])
def test_a_sentence_s_reward_is_its_own_log_probability(reward: str) -> None:
    source, target = tokens([4, 5, 6], [7]), tokens([5, 4, 9], [6])
    model = hard(f"{{kind: reinforce, reward: {reward}, expectation_rate: 1.0}}").train()
    expected = scored(model, source, target)[0].sum(1)
    model.loss(source, target, label_smoothing=0.2)
    selection = part_of(model, "decoder.attention.selection.learning", ReinforceSelection)
    selection.end_update()
    # Four and two tokens, the end symbols counted.
    close(selection.baseline, 0.1 * (expected / torch.tensor([4.0, 2.0]) if reward == "token" else expected).mean())


# Learning from updates of several batches


@dataclass(frozen=True)
class Pairs:
    """Pairs of sentences as one batch."""

    source: Tokens
    target: Tokens

    @property
    def size(self) -> int:
        return self.target.size

    @property
    def terms(self) -> int:
        return self.target.size

    def to(self, device: torch.device) -> Pairs:
        return self


@dataclass(frozen=True)
class Writing:
    """What the training loop asks of a task."""

    model: EncoderDecoder
    unit: str = "tokens"

    def epoch(self, number: int) -> Batches:
        raise NotImplementedError

    def loss(self, batch: Pairs) -> SummedLoss:
        return self.model.loss(batch.source, batch.target, label_smoothing=0.1)

    def dev_part(self, rank: int, count: int) -> None:
        return None

    def dev_scores(self, parts: Sequence[None]) -> dict[str, float]:
        return {}


TARGETS = [[5, 4, 9], [6], [4, 4, 7, 5, 8], [], [10, 9]]


@pytest.mark.parametrize("split", [(5,), (3, 2), (1, 1, 3), (4, 1)], ids=str)
@pytest.mark.parametrize(
    "estimator",
    ["{kind: reinforce, expectation_rate: 0.0}", "{kind: reinforce, reward: sentence}", "{kind: straight_through}"],
)
def test_an_update_of_several_batches_is_that_of_a_large_one(
    estimator: str, split: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The same draws in every batch, whatever their number: with noise of 1 they are the largest weights.
    monkeypatch.setattr(Tensor, "exponential_", lambda self, *args, **keys: self.fill_(1.0))
    monkeypatch.setattr(torch, "rand", lambda count, **keys: torch.zeros(count))

    def trained(sizes: tuple[int, ...]) -> tuple[dict[str, Tensor], list[float]]:
        # A temperature that falls by a tenth with every update.
        model = hard(estimator.replace("straight_through", "straight_through, annealing: 0.1")).train()
        updater = Updater(Writing(model), configured("training.optimizer={kind: sgd}").training, torch.device("cpu"))
        losses = []
        for _ in range(3):
            firsts = [sum(sizes[:at]) for at in range(len(sizes))]
            batches = [
                Pairs(tokens(*SENTENCES[first : first + size]), tokens(*TARGETS[first : first + size]))
                for first, size in zip(firsts, sizes, strict=True)
            ]
            losses.append(updater.update(batches, 0.01).loss)
        return model.state_dict(), losses

    (expected, expected_losses), (found, losses) = trained((5,)), trained(split)
    assert losses == pytest.approx(expected_losses, rel=1e-4)
    assert found.keys() == expected.keys()
    assert not {"rewards", "sentences"} & {name.rpartition(".")[2] for name in found}
    for name, value in found.items():
        close(value, expected[name], tolerance=1e-4)
    followed = {name: float(value) for name, value in found.items() if "selection.learning" in name}
    assert len(followed) == 1
    assert 0 not in followed.values()


# Learning straight through


def test_the_temperature_falls_to_its_lowest_with_the_updates() -> None:
    selection = StraightThroughSelection(first=2.0, lowest=0.5, rate=0.1)
    found = []
    for _ in range(30):
        temperatures = selection.prepare(memory())
        assert temperatures.shape == (B,)
        found.append(float(temperatures[0]))
        selection.learn(None, real=torch.ones(B, T, dtype=torch.bool), log_probs=torch.zeros(B))
        selection.end_update()
    assert found == pytest.approx([max(0.5, 2.0 * math.exp(-0.1 * update)) for update in range(30)])
    assert found[-1] == 0.5


@pytest.mark.parametrize("window", ["global", "local_p"])
def test_a_straight_through_draw_is_one_position_with_the_gradient_of_the_soft_one(window: str) -> None:
    weights = read(attention(window=window)).weights.detach().requires_grad_()
    selection = StraightThroughSelection(first=0.7, lowest=0.1, rate=0.0)
    torch.manual_seed(5)
    mixture = selection(weights, selection.prepare(memory())).mixture
    sums = weights.sum(-1, keepdim=True)
    assert ((mixture != 0).sum(-1) == 1).all()
    close(mixture.sum(-1), sums[..., 0])
    torch.manual_seed(5)
    gumbel = -torch.empty(B, T, S).exponential_().log()
    soft = (((weights / sums).clamp_min(1e-30).log() + gumbel) / 0.7).softmax(-1)
    assert torch.equal(soft.argmax(-1), mixture.argmax(-1))
    slope = random(B, T, S, seed=6)
    inside = weights.detach() > 0
    hard_part = torch.zeros_like(soft).scatter(-1, soft.argmax(-1, keepdim=True), 1.0)
    [found] = torch.autograd.grad((mixture * slope).sum(), weights, retain_graph=True)
    through = (soft * sums.detach() * slope).sum() + (hard_part * sums * slope).sum()
    [expected] = torch.autograd.grad(through, weights)
    close(found[inside], expected[inside], tolerance=1e-4)


@torch.no_grad()
def test_straight_through_draws_are_as_likely_as_their_weights() -> None:
    weights = read(attention()).weights
    selection = StraightThroughSelection(first=1.0, lowest=0.1, rate=0.0)
    torch.manual_seed(1)
    temperatures = selection.prepare(memory())
    shares = torch.stack([selection(weights, temperatures).mixture for _ in range(2000)]).mean(0)
    assert ((shares - weights).abs() <= 5 * (weights * (1 - weights) / 2000).sqrt() + 1e-6).all()


def test_what_is_configured_is_built() -> None:
    selection = attention(
        selection="hard", estimator=StraightThrough(temperature=3.0, lowest_temperature=2.0, annealing=0.01)
    ).selection
    assert isinstance(selection, HardSelection)
    assert isinstance(selection.learning, StraightThroughSelection)
    assert (selection.learning.first, selection.learning.lowest, selection.learning.rate) == (3.0, 2.0, 0.01)
    default = attention(selection="hard").selection
    assert isinstance(default, HardSelection)
    assert isinstance(default.learning, ReinforceSelection)
    assert default.learning.by_token
    found = (default.learning.reward_weight, default.learning.entropy_weight, default.learning.expectation_rate)
    assert found == (0.1, 0.002, 0.5), "the released code's constants"

"""Sequence training on a reward, where all captions can be listed: its mean is the gradient of the expected reward.

B=2 pictures, captions of at most two of the three tokens that are no symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pytest
import torch
from marks import needs_bf16
from tiny import close, randomised
from tiny_captioner import COMBINATIONS, IMAGES, VOCABULARY, built_captioner
from torch import Tensor

from attncli.decoding.search import search
from attncli.decoding.strategies import Sampling
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.rows import take_rows
from attncli.sources.images.batch import Pixels
from attncli.tasks.self_critical import SelfCritic, Targets, drawn_log_probs
from attncli.text.tokenizer import BOS, EOS, PAD, UNK

A, B = 4, 5
WORDS = (UNK, A, B)
ALL = [(EOS,), *((word, EOS) for word in WORDS), *product(WORDS, WORDS)]
TWO = Pixels(IMAGES.pixels[:2])
SOFT = [(attention, decoder) for attention, decoder in COMBINATIONS if "hard" not in attention]


def model_of(vocabulary: int, attention: str, decoder: str) -> EncoderDecoder:
    decoder = decoder.replace(", doubly_stochastic: 0.5", "")
    model = built_captioner(attention, decoder, vocabulary=vocabulary)
    return randomised(model, seed=3, spread=0.6).train()


@pytest.fixture
def model() -> EncoderDecoder:
    return model_of(6, "{score: additive}", "{hidden_size: 8}")


def reward_of(picture: int, caption: Sequence[int]) -> float:
    """Return something that depends on the order of words, the length and the picture."""
    return 3 * (A in caption) + 2 * (tuple(caption) == (B, A)) - len(caption) * (1 + 2 * picture) + 5


def rewards_of(captions: Targets) -> list[list[float]]:
    return [[reward_of(picture, caption) for caption in each] for picture, each in enumerate(captions)]


def stepped_log_prob(model: EncoderDecoder, picture: int, caption: Sequence[int]) -> Tensor:
    """Return the log-probability that `caption` is drawn, a step at a time."""
    prepared = model.decoder.prepare(take_rows(model.encode(IMAGES), torch.tensor([picture])))
    state, last, total = model.decoder.start(prepared), BOS, torch.zeros(())
    for token in caption:
        step = model.decoder.step(torch.tensor([last]), state, prepared)
        open_to = [at for at in range(step.logits.shape[1]) if at not in (PAD, BOS)]
        total = total + step.logits[0, token] - step.logits[0, open_to].logsumexp(0)
        state, last = step.state, token
    return total


def gradient(model: EncoderDecoder, value: Tensor) -> Tensor:
    found = torch.autograd.grad(value, list(model.decoder.parameters()), allow_unused=True)
    return torch.cat([each.flatten() for each in found if each is not None])


def test_the_captions_are_all_there_are(model: EncoderDecoder) -> None:
    for picture in range(2):
        total = sum(float(stepped_log_prob(model, picture, caption).exp().detach()) for caption in ALL)
        assert total == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("samples", "greedy"), [(1, True), (3, True), (2, False), (4, False)])
def test_the_mean_is_the_gradient_of_the_expected_reward(model: EncoderDecoder, samples: int, greedy: bool) -> None:
    expected_reward = torch.stack(
        [
            stepped_log_prob(model, picture, caption).exp() * reward_of(picture, caption) / 2
            for picture in range(2)
            for caption in ALL
        ]
    ).sum()
    exact = -gradient(model, expected_reward)
    # Along the gradient itself, and along directions that it says nothing of.
    directions = torch.randn(5, len(exact), generator=torch.Generator().manual_seed(1))
    directions = torch.cat([exact[None], directions])
    directions = directions / directions.norm(dim=1, keepdim=True)

    critic = SelfCritic(samples, max_length=2, greedy=greedy)
    # Many copies of the two pictures, so that one call makes many estimates.
    copies = 50
    source = Pixels(TWO.pixels.repeat(copies, 1, 1, 1))

    def reward(captions: Targets) -> list[list[float]]:
        return [[reward_of(at % 2, caption) for caption in each] for at, each in enumerate(captions)]

    estimates = []
    for seed in range(60):
        loss = critic.loss(model, source, reward, Sampling(seed))
        assert loss.terms == 2 * copies * samples
        estimates.append(directions @ gradient(model, loss.total / loss.terms))
    found = torch.stack(estimates)
    error = found.std(0) / len(found) ** 0.5
    assert (error[0] < exact.norm() / 20).all()
    assert ((found.mean(0) - directions @ exact).abs() < 4 * error).all()


@pytest.mark.parametrize("greedy", [False, True])
def test_the_loss_is_its_definition(model: EncoderDecoder, greedy: bool) -> None:
    asked: list[Targets] = []

    def reward(captions: Targets) -> list[list[float]]:
        asked.append(captions)
        return rewards_of(captions)

    critic = SelfCritic(3, max_length=2, greedy=greedy)
    loss = critic.loss(model, TWO, reward, Sampling(4))
    drawn, total = asked[0], torch.zeros(())
    assert [len(captions) for captions in drawn] == [3, 3]
    for picture, captions in enumerate(drawn):
        rewards = [reward_of(picture, caption) for caption in captions]
        for at, caption in enumerate(captions):
            others = rewards[:at] + rewards[at + 1 :]
            baseline = reward_of(picture, best_first(model, picture)) if greedy else sum(others) / 2
            total = total - (rewards[at] - baseline) * stepped_log_prob(model, picture, caption)
    close(loss.total, total, tolerance=1e-4)
    assert float(loss.reported) == pytest.approx(-sum(map(sum, rewards_of(drawn))))
    assert loss.terms == 6
    assert not loss.reported.requires_grad


def best_first(model: EncoderDecoder, picture: int) -> tuple[int, ...]:
    """Return the greedy caption."""
    caption: tuple[int, ...] = ()
    while len(caption) < 2 and caption[-1:] != (EOS,):
        scored = {token: float(stepped_log_prob(model, picture, (*caption, token)).detach()) for token in (*WORDS, EOS)}
        caption = (*caption, max(scored, key=lambda token: scored[token]))
    return caption


def test_equal_rewards_teach_nothing(model: EncoderDecoder) -> None:
    for greedy in (False, True):
        critic = SelfCritic(3, max_length=2, greedy=greedy)
        loss = critic.loss(model, TWO, lambda captions: [[0.5] * len(each) for each in captions], Sampling(1))
        assert not gradient(model, loss.total).any()


def test_the_same_seed_draws_the_same(model: EncoderDecoder) -> None:
    asked: list[Targets] = []
    critic = SelfCritic(4, max_length=5, greedy=False)
    for seed in (1, 1, 2):
        critic.loss(
            model,
            TWO,
            lambda captions: asked.append(captions) or rewards_of(captions),  # type: ignore[func-returns-value]
            Sampling(seed),
        )
    assert asked[0] == asked[1] != asked[2]


@pytest.mark.parametrize(("attention", "decoder"), SOFT)
def test_every_kind_of_decoder_scores_what_it_draws(attention: str, decoder: str) -> None:
    model = model_of(VOCABULARY, attention, decoder)
    memory = model.encode(IMAGES)
    sampling = Sampling(1)
    found = search(model.decoder, memory, strategy=sampling, beam_size=4, max_length=6, length_penalty=0.0)
    drawn = [[hypothesis.tokens for hypothesis in ranked] for ranked in found]
    assert len({len(caption) for captions in drawn for caption in captions}) > 2
    # Not those of the hypotheses, in which PAD and BOS have their share.
    expected = [[stepped_log_prob(model, at, caption) for caption in each] for at, each in enumerate(drawn)]
    close(drawn_log_probs(model, memory, drawn), torch.stack([torch.stack(each) for each in expected]), tolerance=1e-4)


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=needs_bf16)])
@pytest.mark.parametrize(("attention", "decoder"), SOFT)
def test_every_parameter_learns(attention: str, decoder: str, precision: str) -> None:
    model = model_of(VOCABULARY, attention, decoder)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        loss = SelfCritic(4, max_length=6, greedy=True).loss(
            model,
            IMAGES,
            lambda captions: [[float(len(caption)) for caption in each] for each in captions],
            Sampling(1),
        )
    loss.total.backward()  # type: ignore[no-untyped-call]
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert without == []

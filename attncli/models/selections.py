"""Selections, which read a memory by its weights: as a mean of all positions, or at one chosen position.

B sources, T queries of each, S positions.

A draw comes from the weights of a query, normalised to a sum of 1, and is multiplied by their original sum. That sum is
1 except with the window `local_p`, where the factor keeps the mean of the draws equal to soft attention's context.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from attncli.config.attention import Attention as AttentionConfig
from attncli.models.memory import Memory
from attncli.models.source_draws import exponentials

# Replaces 0 in a logarithm, whose gradient is multiplied by a weight of 0 and must be finite for that.
TINY = torch.finfo(torch.float32).tiny


@dataclass(frozen=True)
class Draws:
    """The draws of a batch, which REINFORCE learns from."""

    log_probs: Tensor  # [B, T] with gradient, of the drawn positions; 0 where the expectation was used
    entropies: Tensor  # [B, T] with gradient, of the distributions, in nats


@dataclass(frozen=True)
class Selected:
    """What a selection returns for weights."""

    mixture: Tensor  # [B, T, S]: the context is the sum of the values times these
    chosen: Tensor | None = None  # [B, T], the position of each query; None where the context is a mean
    draws: Draws | None = None


class Selection(nn.Module, ABC):
    """A selection is in two parts, so that what holds for a whole sentence is decided once per source."""

    def prepare(self, memory: Memory) -> Any:
        """Return what is decided once per source of `memory`: a value whose tensors have a row per source."""
        return None

    @property
    def is_keyed(self) -> bool:
        """Whether it needs the keys of the sources and the numbers of the steps."""
        return False

    @abstractmethod
    def forward(self, weights: Tensor, prepared: Any, steps: Tensor | None = None) -> Selected:
        """Return what is read with `weights` [B, T, S], float32, whose rows sum to at most 1.

        `steps` [B, T] are the target positions from 0, None unless the selection is keyed.
        """

    def learn(self, draws: Draws | None, *, real: Tensor, log_probs: Tensor) -> Tensor | None:
        """Return what training minimises for the draws of a batch, summed over its sentences; None for nothing.

        Called once per batch of training. `real` [B, T] is True for tokens and False for padding; `log_probs` [B] are
        those of whole targets, without gradient.
        """
        return None


class SoftSelection(Selection):
    """The weighted mean of all positions, which is the expectation of a draw (Xu et al. 2015, section 4.2)."""

    def forward(self, weights: Tensor, prepared: None, steps: Tensor | None = None) -> Selected:
        """Return the weights themselves."""
        return Selected(weights)


class ArgmaxSelection(Selection):
    """The position with the largest weight."""

    def forward(self, weights: Tensor, prepared: None, steps: Tensor | None = None) -> Selected:
        """Return the first of the largest weights."""
        chosen = weights.argmax(-1)
        return Selected(_alone(weights, chosen), chosen)


class SampledSelection(Selection):
    """A position drawn from the weights, the same each time: what is random depends on seed, source and step alone.

    So a source is read the same in every batch. All hypotheses of a source draw with the same random numbers: none gets
    ahead by luck, and a known target draws the positions that were drawn when it was written.
    """

    def __init__(self, seed: int):
        super().__init__()
        self.seed = seed

    @property
    def is_keyed(self) -> bool:
        """True."""
        return True

    def prepare(self, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return the keys [B] of the sources, and the number [B, S] of each position among the real ones."""
        assert memory.keys is not None, "the model gives its memories keys for a selection that needs them"
        return memory.keys, (memory.mask.cumsum(1) - 1).clamp(min=0)

    def forward(self, weights: Tensor, prepared: tuple[Tensor, Tensor], steps: Tensor | None = None) -> Selected:
        """Return one draw per query."""
        assert steps is not None, "the decoder counts steps for a selection that needs them"
        keys, numbers = prepared
        drawn = exponentials(keys, steps, weights.shape[-1], seed=self.seed)
        chosen = _first(weights, drawn.gather(-1, numbers[:, None].expand_as(drawn)))
        return Selected(_alone(weights, chosen), chosen)


class ReinforceSelection(Selection):
    """Draws a position and learns from what came of it (Xu et al. 2015, section 4.1; Williams 1992).

    The gradient of the bound on log p(y) is estimated by that of log p(y|s) with the drawn positions s, plus
    λr (r - b) times that of log p(s), plus λe times that of the entropy. The reward r of a sentence is log p(y|s) as in
    the paper, or that divided by the number of tokens as in the authors' released code (`by_token`): sentences of a
    batch differ in length, and without the division r - b reflects length rather than the draws. b is the moving
    average of r over earlier updates. To lower the variance, all draws of a sentence are replaced by their expectation
    with a given probability. The released code decides that once per batch; this follows the paper, which decides it
    for each example.
    """

    DECAY = 0.9  # of b, section 4.1
    baseline: Tensor
    rewards: Tensor  # the sum of r over the sentences of this update so far
    sentences: Tensor  # how many they are

    def __init__(self, *, by_token: bool, reward_weight: float, entropy_weight: float, expectation_rate: float):
        super().__init__()
        self.by_token = by_token
        self.reward_weight, self.entropy_weight = reward_weight, entropy_weight
        self.expectation_rate = expectation_rate
        self.register_buffer("baseline", torch.zeros(()))
        # Not saved: no checkpoint is written in the middle of an update.
        self.register_buffer("rewards", torch.zeros(()), persistent=False)
        self.register_buffer("sentences", torch.zeros(()), persistent=False)

    def prepare(self, memory: Memory) -> Tensor:
        """Return for each source [B] whether the expectation replaces its draws."""
        return torch.rand(len(memory.mask), device=memory.mask.device) < self.expectation_rate

    def forward(self, weights: Tensor, prepared: Tensor, steps: Tensor | None = None) -> Selected:
        """Return draws, or the weights themselves for the sources where `prepared` [B] is True."""
        distribution = _distribution(weights)
        chosen = _drawn(distribution.detach())
        log_probs = _log(distribution.gather(-1, chosen[..., None])[..., 0])
        entropies = -(distribution * _log(distribution)).sum(-1)
        expected = prepared[:, None]
        return Selected(
            torch.where(expected[..., None], weights, _alone(weights, chosen)),
            draws=Draws(log_probs.masked_fill(expected, 0.0), entropies),
        )

    def learn(self, draws: Draws | None, *, real: Tensor, log_probs: Tensor) -> Tensor:
        """Return the loss whose gradient is that of reward and entropy, and note the rewards for the baseline."""
        assert draws is not None
        rewards = log_probs / real.sum(1) if self.by_token else log_probs
        self.rewards += rewards.sum()
        self.sentences += len(rewards)
        # The baseline is that of earlier updates: one that depended on these rewards would bias the estimate.
        advantages = rewards - self.baseline
        of_draws = (draws.log_probs * real).sum(1)
        entropy = (draws.entropies * real).sum()
        return -(self.reward_weight * (advantages * of_draws).sum() + self.entropy_weight * entropy)

    def sums(self) -> tuple[Tensor, ...]:
        """Return the sum of the rewards, and of how many sentences."""
        return self.rewards, self.sentences

    def end_update(self) -> None:
        """Let the baseline follow the mean reward of the update."""
        self.baseline.lerp_(self.rewards / self.sentences, 1 - self.DECAY)
        self.rewards.zero_()
        self.sentences.zero_()


class StraightThroughSelection(Selection):
    """Draws a position, and lets the gradient through as if it were a soft choice (Jang, Gu and Poole 2017).

    y = softmax((log p + g) / τ) for Gumbel noise g: the position with the largest y is the draw, and the gradient is
    that of y. The temperature falls with the updates, as there: τ = max(lowest, first · exp(-rate · updates)).
    """

    batches: Tensor  # the number of updates, under the name that it has in saved weights

    def __init__(self, *, first: float, lowest: float, rate: float):
        super().__init__()
        self.first, self.lowest, self.rate = first, lowest, rate
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))

    def prepare(self, memory: Memory) -> Tensor:
        """Return the temperature, repeated for each source [B]."""
        temperature = self.first * torch.exp(-self.rate * self.batches)
        return temperature.clamp_min(self.lowest).expand(len(memory.mask))

    def forward(self, weights: Tensor, prepared: Tensor, steps: Tensor | None = None) -> Selected:
        """Return draws at the temperatures `prepared` [B]."""
        noise = -torch.empty_like(weights).exponential_().log()
        noisy = (_log(_distribution(weights)) + noise) / prepared[:, None, None]
        # The logarithm of TINY is finite, so noise alone could still choose padding.
        soft = noisy.masked_fill(weights == 0, -math.inf).softmax(-1)
        hard = torch.zeros_like(soft).scatter_(-1, soft.argmax(-1, keepdim=True), 1.0)
        return Selected((hard + (soft - soft.detach())) * weights.sum(-1, keepdim=True))

    def sums(self) -> tuple[Tensor, ...]:
        """Return nothing: batches add to no sum."""
        return ()

    def end_update(self) -> None:
        """Count the update, which lowers the temperature."""
        self.batches += 1


class HardSelection(Selection):
    """Uses `learning` in training and `reading` otherwise."""

    def __init__(self, learning: Selection, reading: Selection):
        super().__init__()
        self.learning, self.reading = learning, reading

    @property
    def current(self) -> Selection:
        """The selection in use."""
        return self.learning if self.training else self.reading

    def prepare(self, memory: Memory) -> Any:
        """Return what the selection in use decides once per source."""
        return self.current.prepare(memory)

    @property
    def is_keyed(self) -> bool:
        """Whether the selection in use is."""
        return self.current.is_keyed

    def forward(self, weights: Tensor, prepared: Any, steps: Tensor | None = None) -> Selected:
        """Return what the selection in use returns for `weights` [B, T, S]."""
        return self.current(weights, prepared, steps)  # type: ignore[no-any-return]

    def learn(self, draws: Draws | None, *, real: Tensor, log_probs: Tensor) -> Tensor | None:
        """Return what `learning` minimises."""
        return self.learning.learn(draws, real=real, log_probs=log_probs)


def _drawn(weights: Tensor) -> Tensor:
    """Return a position [B, T] for each row of `weights` [B, T, S], drawn with probabilities proportional to them."""
    return _first(weights, torch.empty_like(weights).exponential_())


def _first(weights: Tensor, exponentials: Tensor) -> Tensor:
    """Return the position [B, T] that wins a race of exponential clocks whose rates are `weights` [B, T, S].

    `torch.multinomial` draws so, too, but checks its input, which waits for the device.
    """
    return (weights / exponentials).argmax(-1)


def _alone(weights: Tensor, chosen: Tensor) -> Tensor:
    """Return [B, T, S] with the sum of each row of `weights` [B, T, S] at its `chosen` position [B, T], 0 elsewhere."""
    return torch.zeros_like(weights).scatter(-1, chosen[..., None], weights.sum(-1, keepdim=True))


def _distribution(weights: Tensor) -> Tensor:
    return weights / weights.sum(-1, keepdim=True)


def _log(probabilities: Tensor) -> Tensor:
    return probabilities.clamp_min(TINY).log()


ESTIMATORS: dict[str, Callable[[Any], Selection]] = {
    "reinforce": lambda config: ReinforceSelection(
        by_token=config.reward == "token",
        reward_weight=config.reward_weight,
        entropy_weight=config.entropy_weight,
        expectation_rate=config.expectation_rate,
    ),
    "straight_through": lambda config: StraightThroughSelection(
        first=config.temperature, lowest=config.lowest_temperature, rate=config.annealing
    ),
}
READINGS: dict[str, Callable[[AttentionConfig], Selection]] = {
    "argmax": lambda config: ArgmaxSelection(),
    "expectation": lambda config: SoftSelection(),
    "sample": lambda config: SampledSelection(1 if config.sampling_seed is None else config.sampling_seed),
}


def _hard(config: AttentionConfig) -> Selection:
    estimator = config.hard_estimator
    return HardSelection(ESTIMATORS[estimator.kind](estimator), READINGS[config.inference or "argmax"](config))


SELECTIONS: dict[str, Callable[[AttentionConfig], Selection]] = {"soft": lambda config: SoftSelection(), "hard": _hard}


def build_selection(config: AttentionConfig) -> Selection:
    """Return the selection that `config` names."""
    return SELECTIONS[config.selection](config)

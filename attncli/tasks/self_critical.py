"""Sequence training on a reward: targets are drawn from the model, and those better than a baseline made likelier.

Rennie et al. 2017, "Self-critical sequence training for image captioning". B sources, K targets drawn for each,
N = B*K targets in all, M of them scored at once, T target positions, n real ones, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from attncli.data.tokens import Tokens, pad_tokens
from attncli.decoding.search import search
from attncli.decoding.strategies import BestK, Sampling, Strategy
from attncli.losses import SummedLoss
from attncli.models.encoder_decoder import EncoderDecoder, prefix_of
from attncli.models.memory import Memory
from attncli.models.rows import take_rows
from attncli.text.tokenizer import BOS, PAD

Targets = Sequence[Sequence[Sequence[int]]]
"""Targets of each source as token ids, closed by the end symbol unless they reached the maximum length."""
Reward = Callable[[Targets], Sequence[Sequence[float]]]
"""Returns the reward of each target of each source."""


@dataclass(frozen=True)
class SelfCritic:
    """Estimates the gradient of the expected reward by -(r - b) ∇ log p(y) for each drawn target y (section 3).

    Of each source K targets are drawn independently, token by token, at temperature 1 and with at most `max_length`
    tokens. Without `greedy` the baseline b is the mean reward of the source's other K - 1 targets. With it b is the
    reward of the greedy target (equations 9 to 11), which need not be drawn. Neither depends on y, so neither
    biases the estimate.

    Drawing, greedy search and log p(y) read one memory in the mode the model is in, and log p(y) is computed at once by
    `force`, from the distribution without PAD and BOS that tokens are drawn from. What is random in training, dropout
    and hard attention, must be off: a target would be scored by another network than the one that drew it.
    """

    samples: int
    max_length: int
    greedy: bool

    def loss(self, model: EncoderDecoder, source: Any, reward: Reward, draws: Sampling) -> SummedLoss:
        """Return a loss with the estimated gradient, summed over the N targets, which are its terms.

        It reports minus the sum of their rewards, whose expectation is minimised.
        """
        memory = model.encode(source)
        drawn = self._found(model, memory, draws, count=self.samples)
        rewards = _tensor(reward(drawn), memory.mask.device)  # [B, K]
        advantages = rewards - self._baseline(model, memory, reward, rewards)
        log_probs = drawn_log_probs(model, memory, drawn)
        return SummedLoss(-(advantages * log_probs).sum(), -rewards.sum(), rewards.numel())

    def _baseline(self, model: EncoderDecoder, memory: Memory, reward: Reward, rewards: Tensor) -> Tensor:
        """Return the baselines [B, 1] or [B, K] of `rewards` [B, K]."""
        if self.greedy:
            best = self._found(model, memory, BestK(), count=1)
            return _tensor(reward(best), rewards.device)
        return (rewards.sum(1, keepdim=True) - rewards) / (self.samples - 1)

    def _found(self, model: EncoderDecoder, memory: Memory, strategy: Strategy, *, count: int) -> Targets:
        found = search(
            model.decoder,
            memory,
            strategy=strategy,
            beam_size=count,
            max_length=self.max_length,
            length_penalty=0.0,
        )
        # Older versions of PyTorch reuse the bfloat16 copies made in search, which have no gradient (its issue 112583).
        torch.clear_autocast_cache()
        return [[hypothesis.tokens for hypothesis in ranked] for ranked in found]


def drawn_log_probs(model: EncoderDecoder, memory: Memory, drawn: Targets) -> Tensor:
    """Return the log-probability [B, K] with which each of `drawn`, K a source of `memory`, is drawn."""
    device, prepared = memory.mask.device, model.decoder.prepare(memory)
    rows = [(source, np.array(tokens)) for source, targets in enumerate(drawn) for tokens in targets]
    order = np.argsort([len(tokens) for _, tokens in rows], kind="stable")
    parts = []
    # The longest draw is often twice the mean length, so targets of similar length are scored together, in K parts.
    for part in np.array_split(order, len(drawn[0])):
        sources = torch.tensor([rows[at][0] for at in part], device=device)
        target = pad_tokens([rows[at][1] for at in part]).to(device)
        parts.append(_log_probs(model, take_rows(prepared, sources), target))
    back = torch.from_numpy(np.argsort(order)).to(device)
    return torch.cat(parts)[back].view(len(drawn), -1)


def _log_probs(model: EncoderDecoder, prepared: Any, target: Tokens) -> Tensor:
    """Return the log-probability [M] of each row of `target` [M, T], among what may be drawn."""
    forced = model.decoder.force(prefix_of(target), prepared)
    logits = model.decoder.output(target.real(forced.features)).float()  # [n, V]
    never = torch.tensor([PAD, BOS], device=logits.device)
    wanted = target.real(target.ids)[:, None]
    chosen = logits.index_fill(1, never, -torch.inf).log_softmax(-1).gather(1, wanted)[:, 0]
    return target.spread(chosen).sum(1)


def _tensor(rewards: Sequence[Sequence[float]], device: torch.device) -> Tensor:
    return torch.tensor(rewards, dtype=torch.float32, device=device)

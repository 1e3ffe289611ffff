"""A network whose decoder writes together with CTC: their log-probabilities are added with weights λ and 1 - λ.

Watanabe et al. 2017, section II-C. The sum is no logarithm of a distribution, and is not made one. Neither of its terms
rises as a target grows longer, and so it never does.

B sources, N rows in search, T target positions, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from attncli.data.tokens import Tokens
from attncli.models.attention import Glimpse
from attncli.models.decoders.decoder import Step, Stepwise
from attncli.models.encoder_decoder import prefix_of
from attncli.models.network import ForcedTarget, HeadWeights, Network, SourceMemory


@dataclass(frozen=True)
class DecoderWithCTC:
    """Two decoders as one to a search: what they prepare and their states are pairs. Weights are the first one's."""

    decoder: Stepwise
    prefixes: Stepwise
    weight: float  # λ, of `prefixes`

    def prepare(self, memory: Any) -> tuple[Any, Any]:
        """Return what each needs of `memory`."""
        return self.decoder.prepare(memory), self.prefixes.prepare(memory)

    def start(self, prepared: tuple[Any, Any]) -> tuple[Any, Any]:
        """Return the state of each before the first token."""
        return self.decoder.start(prepared[0]), self.prefixes.start(prepared[1])

    def step(self, tokens: Tensor, state: tuple[Any, Any], prepared: tuple[Any, Any]) -> Step:
        """Return the joint scores [N, V] of what follows `tokens` [N]."""
        own = self.decoder.step(tokens, state[0], prepared[0])
        by_ctc = self.prefixes.step(tokens, state[1], prepared[1])
        scores = self.joint(own.log_probs(), by_ctc.log_probs())
        return replace(own, logits=scores, state=(own.state, by_ctc.state), is_joint=True)

    def joint(self, own: Tensor, by_ctc: Tensor) -> Tensor:
        """Return the sum of log-probabilities of the decoder and of CTC."""
        return (1 - self.weight) * own + self.weight * by_ctc


class NetworkWithCTC(Network):
    """`network`, which has CTC, with its decoder and CTC as one."""

    decoder: DecoderWithCTC

    def __init__(self, network: Network, weight: float):
        super().__init__()
        assert network.prefixes is not None, "asked of a network that has CTC only"
        self.network = network
        self.decoder = DecoderWithCTC(network.decoder, network.prefixes, weight)

    def encode(self, source: Any) -> SourceMemory:
        """Return the memory of `source`."""
        return self.network.encode(source)

    def narrowed(self, memory: Any, candidates: Tensor) -> SourceMemory:
        """Return `memory`, of which the decoder writes only what `candidates` [B, V] allow for each source."""
        return self.network.narrowed(memory, candidates)

    def force_target(self, memory: Any, target: Tokens) -> ForcedTarget:
        """Return the joint score of every token of `target`, with the weights of the decoder."""
        forced = self.network.force_target(memory, target)
        by_ctc = forced_log_probs(self.decoder.prefixes, memory, target)
        return replace(forced, log_probs=self.decoder.joint(forced.log_probs, by_ctc))

    def looks(self, memory: Any) -> tuple[Glimpse, ...]:
        """Return what each of several looks of the network saw."""
        return self.network.looks(memory)

    def head_weights(self, source: Any, memory: Any, target: Tokens) -> HeadWeights:
        """Return where the decoder looks."""
        return self.network.head_weights(source, memory, target)


def forced_log_probs(decoder: Stepwise, memory: Any, target: Tokens) -> Tensor:
    """Return the log-probability [B, T] of every token of `target` by steps of `decoder`; 0 on padding."""
    prepared = decoder.prepare(memory)
    state, found = decoder.start(prepared), []
    for read, written in zip(prefix_of(target).unbind(1), target.ids.unbind(1), strict=True):
        step = decoder.step(read, state, prepared)
        state = step.state
        found.append(step.log_probs().gather(1, written[:, None])[:, 0])
    return torch.stack(found, 1).where(target.mask, 0.0)

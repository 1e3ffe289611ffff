"""Several models as one, whose probabilities are the means of theirs.

The mean is taken of probabilities and not of their logarithms: a token that one model finds impossible may still be
written if others are sure of it.

M models, B sources, N rows in search, S source positions, T target positions, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from attncli.data.packs import Packs
from attncli.data.tokens import Tokens
from attncli.models.attention import Glimpse
from attncli.models.decoders.decoder import Step, Stepwise
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.memory import Memory, Part
from attncli.models.network import ForcedTarget, HeadWeights, Network


@dataclass(frozen=True)
class Memories:
    """What each model has read of the same sources. Positions are those of the first."""

    members: tuple[Memory, ...]

    @property
    def mask(self) -> Tensor:
        """[B, S] bool, True where the position is real."""
        return self.members[0].mask

    @property
    def parts(self) -> tuple[Part, ...]:
        """The positions that each encoder gave, in their order."""
        return self.members[0].parts


@dataclass(frozen=True)
class AveragedDecoder:
    """Decoders as one to a search: what it prepares and its state are tuples with a place for each of them."""

    decoders: tuple[Stepwise, ...]

    def prepare(self, memory: Memories) -> tuple[Any, ...]:
        """Return what each decoder needs of its own memory."""
        return tuple(decoder.prepare(each) for decoder, each in zip(self.decoders, memory.members, strict=True))

    def start(self, prepared: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the state of each decoder before the first token."""
        return tuple(decoder.start(each) for decoder, each in zip(self.decoders, prepared, strict=True))

    def step(self, tokens: Tensor, state: tuple[Any, ...], prepared: tuple[Any, ...]) -> Step:
        """Return the logarithm of the mean of what each decoder says follows `tokens` [N], as logits [N, V].

        Weights and marks are those of the first: others may look at other positions, or at none.
        """
        steps = [
            decoder.step(tokens, own_state, own_prepared)
            for decoder, own_state, own_prepared in zip(self.decoders, state, prepared, strict=True)
        ]
        logits = log_mean([step.log_probs() for step in steps])
        return Step(logits, steps[0].weights, tuple(step.state for step in steps), steps[0].marks)


class Ensemble(Network):
    """Models that were trained apart and write in one vocabulary, as one. A source is `Packs`, one for each model."""

    decoder: AveragedDecoder

    def __init__(self, members: Sequence[EncoderDecoder]):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.decoder = AveragedDecoder(tuple(member.decoder for member in members))

    @property
    def prefixes(self) -> Stepwise | None:
        """The mean of what CTC says in each model; None where not all have it."""
        found = [model.prefixes for model in self._models]
        known = tuple(each for each in found if each is not None)
        return AveragedDecoder(known) if len(known) == len(found) else None

    @property
    def ctc_weight(self) -> float:
        """That of the first model."""
        return self._models[0].ctc_weight

    def encode(self, source: Packs) -> Memories:
        """Return what each model reads of its own form of the sources."""
        pairs = zip(self._models, source.members, strict=True)
        return Memories(tuple(model.encode(own) for model, own in pairs))

    def narrowed(self, memory: Memories, candidates: Tensor) -> Memories:
        """Return `memory`, of which every decoder writes only what `candidates` [B, V] allow for each source."""
        pairs = zip(self._models, memory.members, strict=True)
        return Memories(tuple(model.narrowed(own, candidates) for model, own in pairs))

    def force_target(self, memory: Memories, target: Tokens) -> ForcedTarget:
        """Return the log-probabilities of the mean, with weights and marks of the first model."""
        pairs = zip(self._models, memory.members, strict=True)
        forced = [model.force_target(own, target) for model, own in pairs]
        log_probs = log_mean([each.log_probs for each in forced]) * target.mask
        return ForcedTarget(log_probs, forced[0].weights, forced[0].marks)

    def looks(self, memory: Memories) -> tuple[Glimpse, ...]:
        """Return what each of several looks of the first model saw."""
        return self._models[0].looks(memory.members[0])

    def head_weights(self, source: Packs, memory: Memories, target: Tokens) -> HeadWeights:
        """Return where the first model looks."""
        return self._models[0].head_weights(source.members[0], memory.members[0], target)

    @property
    def _models(self) -> list[EncoderDecoder]:
        return cast("list[EncoderDecoder]", list(self.members))


def log_mean(log_probs: Sequence[Tensor]) -> Tensor:
    """Return the logarithm of the mean of M probabilities, elementwise, without underflow."""
    return torch.stack(list(log_probs)).logsumexp(0) - math.log(len(log_probs))

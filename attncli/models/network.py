"""What writers ask of a network, be it one model or an ensemble of several.

B sources, L layers, S source positions, T target positions, V vocabulary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from attncli.data.tokens import Tokens
from attncli.models.attention import Glimpse, Marks
from attncli.models.decoders.decoder import Stepwise
from attncli.models.memory import Part


class SourceMemory(Protocol):
    """What a network has read of its sources; the rest is its own."""

    @property
    def mask(self) -> Tensor:
        """[B, S] bool, True where the position is real."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """The positions that each encoder gave, in their order."""


@dataclass(frozen=True)
class ForcedTarget:
    """How probable a known target is, and where it looks."""

    log_probs: Tensor  # [B, T], of every token, 0 on padding
    weights: Tensor | None  # [B, T, S], None without attention
    marks: Marks | None  # [B, T, ...], what the attention reports besides its weights


@dataclass(frozen=True)
class HeadWeights:
    """Where every layer and head looks; None for what looks nowhere."""

    encoder: Tensor | None  # [B, L, heads, S, S], the source at itself
    decoder: Tensor | None  # [B, L, heads, T, T], the target at what was read of it before
    cross: Tensor | None  # [B, L, heads, T, S], the target at the source


class Network(nn.Module, ABC):
    """Maps sources to the distributions of their targets."""

    decoder: Stepwise

    @property
    def prefixes(self) -> Stepwise | None:
        """What writes by CTC alone, of a network that has it."""
        return None

    @property
    def ctc_weight(self) -> float:
        """The share of CTC beside the decoder; 0 without it."""
        return 0.0

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    @abstractmethod
    def encode(self, source: Any) -> SourceMemory:
        """Return the memory of `source`, which its decoder and the other methods take."""

    @abstractmethod
    def narrowed(self, memory: Any, candidates: Tensor) -> SourceMemory:
        """Return `memory`, of which the decoder writes only what `candidates` [B, V] allow for each source."""

    @abstractmethod
    def force_target(self, memory: Any, target: Tokens) -> ForcedTarget:
        """Return what reading `target` gives for sources that were encoded to `memory`."""

    @abstractmethod
    def looks(self, memory: Any) -> tuple[Glimpse, ...]:
        """Return what each of several looks at sources that were encoded to `memory` saw; none where there is one."""

    @abstractmethod
    def head_weights(self, source: Any, memory: Any, target: Tokens) -> HeadWeights:
        """Return where every layer and head looks while `target` is written for `source`, encoded to `memory`."""

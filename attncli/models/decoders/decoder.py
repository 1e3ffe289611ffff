"""The interface of decoders: a network that reads a known target at once or step by step, with the same result.

B sources, K hypotheses of each, N = B*K rows in search, S source positions, T target positions, L layers, R
readout width, V vocabulary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from attncli.data.tokens import Copies, Tokens
from attncli.losses import log_probs_of
from attncli.models.attention import Glimpse, Marks
from attncli.models.memory import Memory
from attncli.models.readouts import NarrowedLayer, OutputLayer
from attncli.models.selections import Draws


@dataclass(frozen=True)
class Step:
    """What one step of decoding returns."""

    logits: Tensor  # [N, V]; of a decoder that copies, log-probabilities [N, W] of the source's own words, too
    weights: Tensor | None  # [N, S], None without attention
    state: Any  # the decoder's own, a frozen value whose tensors have rows first
    marks: Marks | None = None  # [N, ...], what the attention reports besides its weights
    is_joint: bool = False  # whether the logits are sums of two decoders' log-probabilities, and stay as they are

    def log_probs(self) -> Tensor:
        """Return the log-probabilities [N, V] in float32, as a tensor of their own."""
        return self.logits if self.is_joint else self.logits.float().log_softmax(-1)


@dataclass(frozen=True)
class Forced:
    """What reading a known target returns, for all its positions."""

    features: Tensor  # [B, T, R], what the output layer reads
    weights: Tensor | None  # [B, T, S], None without attention
    marks: Marks | None = None  # [B, T, ...], what the attention reports besides its weights
    draws: Draws | None = None  # [B, T], of an attention that learns from its draws, in training
    generates: Tensor | None = None  # [B, T], of a decoder that copies: the logit of generating instead
    copies: Copies | None = None  # what it copies from


class Stepwise(Protocol):
    """What a search asks of a decoder, one or several: the same three methods as `Decoder`."""

    def prepare(self, memory: Any) -> Any:
        """Return what steps need of `memory`."""

    def start(self, prepared: Any) -> Any:
        """Return the state before the first token."""

    def step(self, tokens: Tensor, state: Any, prepared: Any) -> Step:
        """Return what follows `tokens` [N]."""


class Decoder(nn.Module, ABC):
    """Reads known targets at once with `force`, or writes one token at a time with `step`.

    `prepare` computes once per source what does not depend on the target. `start` has a row per source; `step` takes N
    rows of tokens and state, K consecutive ones for each of the B sources in `prepared`.
    """

    embedding: nn.Embedding
    """Of the tokens that are read; a classifier, which reads none, has no such attribute."""
    output: OutputLayer
    has_heads: ClassVar[bool] = False
    """Whether several heads look at the source, each with weights of its own."""

    @property
    def needs_keys(self) -> bool:
        """Whether a memory must have the keys of its sources."""
        return False

    @property
    def copies(self) -> bool:
        """Whether tokens are copied from sources, so that a memory must have theirs."""
        return False

    def log_probs(self, forced: Forced, target: Tokens) -> Tensor:
        """Return the log-probability [n] of every real token of `target`, with gradient, given what forcing it gave."""
        read = self.output.project(target.real(forced.features))
        return log_probs_of(read, self.output.classify, target.real(target.ids))

    def narrowed(self, memory: Memory) -> NarrowedLayer | None:
        """Return the last layer for steps that write only the candidates of `memory`; None if it limits nothing."""
        return self.output.narrowed(memory.candidates)

    @abstractmethod
    def prepare(self, memory: Memory) -> Any:
        """Return what steps need of `memory`: a frozen value with a row per source."""

    @abstractmethod
    def start(self, prepared: Any) -> Any:
        """Return the state before the first token, with a row per source."""

    @abstractmethod
    def step(self, tokens: Tensor, state: Any, prepared: Any) -> Step:
        """Return what follows `tokens` [N], the begin symbol first."""

    @abstractmethod
    def force(self, tokens: Tensor, prepared: Any) -> Forced:
        """Return the features after each of `tokens` [B, T], the begin symbol first."""

    def further_loss(self, forced: Forced, memory: Memory, *, real: Tensor, log_probs: Tensor) -> Tensor | None:
        """Return what training minimises besides cross-entropy, summed over the batch, or None for nothing.

        Called once per batch of training, with the `memory` that was read. `real` [B, T] is True for tokens and False
        for padding; `log_probs` [B] are those of whole targets, without gradient.
        """
        return None

    def self_weights(self, tokens: Tensor, prepared: Any) -> Tensor | None:
        """Return how much each of `tokens` [B, T] looks at earlier ones, [B, L, heads, T, T]; None if it does not."""
        return None

    def looks(self, memory: Memory) -> tuple[Glimpse, ...]:
        """Return what each of several looks at `memory` saw, [B, 1, ...]; none where a token has one look."""
        return ()

    def cross_weights(self, tokens: Tensor, prepared: Any) -> Tensor | None:
        """Return the weights of every layer and head on the source, [B, L, heads, T, S]; None without attention."""
        weights = self.force(tokens, prepared).weights
        return None if weights is None else weights[:, None, None]

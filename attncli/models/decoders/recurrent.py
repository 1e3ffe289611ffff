"""Recurrent decoders: with a fixed context vector, and with attention asked before or after a step.

B sources, N rows, S source positions, T target positions, E embedding width, D memory width, H hidden width, G width
of the gates, F width of what is fed, R readout width.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from attncli.models.attention import Attention, PreparedAttention
from attncli.models.decoders.decoder import Decoder, Forced, Step
from attncli.models.lstmn import square
from attncli.models.memory import Memory
from attncli.models.readouts import OutputLayer, Readout
from attncli.models.recurrence import Layers, State, Steps


@dataclass(frozen=True)
class RecurrentState:
    """Where a recurrent decoder stands."""

    layers: tuple[State, ...]  # of each layer (hidden,) or (hidden, cell), each [N, H]
    fed: Tensor | None = None  # what joins the next step's input, [N, F]

    @property
    def hidden(self) -> Tensor:
        """The top layer's hidden state [N, H], which asks the attention."""
        return self.layers[-1][0]


@dataclass(frozen=True)
class PreparedSource:
    """What the steps of a recurrent decoder need of a source."""

    memory: Memory
    attention: PreparedAttention | None


@dataclass(frozen=True)
class RecurrentParts:
    """What every recurrent decoder is made of."""

    embedding: nn.Embedding
    layers: Layers
    bridge: nn.Module
    readout: Readout
    output: OutputLayer
    input_dropout: float
    output_dropout: float


class RecurrentDecoder(Decoder):
    """What the recurrent decoders share; they differ in what enters a step and in when attention is asked."""

    def __init__(self, parts: RecurrentParts):
        super().__init__()
        self.embedding, self.layers, self.bridge = parts.embedding, parts.layers, parts.bridge
        self.readout, self.output = parts.readout, parts.output
        self.input_dropout, self.output_dropout = nn.Dropout(parts.input_dropout), nn.Dropout(parts.output_dropout)

    def prepare(self, memory: Memory) -> PreparedSource:
        """Return `memory` alone; a decoder with attention adds its keys."""
        return PreparedSource(memory, None)

    def start(self, prepared: PreparedSource) -> RecurrentState:
        """Return the bridge's state, a row a source; a decoder that feeds something into its steps adds it."""
        return RecurrentState(self.layers.start(self.bridge(prepared.memory)))

    def step(self, tokens: Tensor, state: RecurrentState, prepared: PreparedSource) -> Step:
        """Return what follows `tokens` [N]."""
        embedded, steps = self.embed(tokens), self.steps()
        feature, weights, state = self.advance(steps, steps.first_gates(embedded), embedded, state, prepared)
        return Step(self.output(feature), weights, state)

    def self_weights(self, tokens: Tensor, prepared: PreparedSource) -> Tensor | None:
        """Return the weights [B, L, 1, T, T] of layers that look back; None where none does."""
        state, steps, rows = self.start(prepared), self.steps(), []
        embedded = self.embed(tokens).transpose(0, 1)  # [T, B, E]
        for gates, at in zip(steps.first_gates(embedded).unbind(), embedded.unbind(), strict=True):
            _, _, state = self.advance(steps, gates, at, state, prepared)
            rows.append(self.layers.self_weights(state.layers))
        looking = [row for row in rows if row is not None]
        return square(looking)[:, :, None] if looking else None

    @abstractmethod
    def advance(
        self, steps: Steps, gates: Tensor, embedded: Tensor, state: RecurrentState, prepared: PreparedSource
    ) -> tuple[Tensor, Tensor | None, RecurrentState]:
        """Return feature [N, R], weights [N, S] and next state, given the `gates` [N, G] of the `embedded` [N, E]."""

    def steps(self) -> Steps:
        """Return the layers for stepping; all of their input that is not the embedding is fed."""
        return self.layers.steps(fed_size=self.layers.input_size - self.embedding.embedding_dim)

    def embed(self, tokens: Tensor) -> Tensor:
        """Return the embeddings [..., E] of `tokens` [...]."""
        return self.input_dropout(self.embedding(tokens))  # type: ignore[no-any-return]

    def read(self, hidden: Tensor, embedded: Tensor, context: Tensor | None) -> Tensor:
        """Return what the output layer reads [..., R]."""
        return self.output_dropout(self.readout(hidden, embedded, context))  # type: ignore[no-any-return]


class FixedContextDecoder(RecurrentDecoder):
    """No attention: the encoder's summary starts the decoder, and may be an input of every step.

    Sutskever et al. 2014 (`initial`); Cho et al. 2014 (`every_step`), where the readout sees the summary too.
    """

    def __init__(self, parts: RecurrentParts, *, every_step: bool):
        super().__init__(parts)
        self.every_step = every_step

    def start(self, prepared: PreparedSource) -> RecurrentState:
        """Return the bridge's state, with the summary [B, D] to feed if it enters every step."""
        return replace(super().start(prepared), fed=prepared.memory.summary if self.every_step else None)

    def advance(
        self, steps: Steps, gates: Tensor, embedded: Tensor, state: RecurrentState, prepared: PreparedSource
    ) -> tuple[Tensor, None, RecurrentState]:
        """Return feature [N, R], no weights, and the next state."""
        if state.fed is not None:
            gates = steps.fed_gates(gates, state.fed)
        state = replace(state, layers=steps.advance(gates, state.layers))
        return self.read(state.hidden, embedded, state.fed), None, state

    def force(self, tokens: Tensor, prepared: PreparedSource) -> Forced:
        """Return the features after each of `tokens` [B, T], in one call of the fused layers."""
        embedded, state, context = self.embed(tokens), self.start(prepared), None
        inputs = embedded
        if state.fed is not None:
            context = state.fed[:, None].expand(-1, tokens.shape[1], -1)
            inputs = torch.cat([embedded, context], -1)
        return Forced(self.read(self.layers(inputs, state.layers), embedded, context), None)


class AttentionalDecoder(RecurrentDecoder):
    """A recurrent decoder with an attention."""

    def __init__(self, parts: RecurrentParts, attention: Attention):
        super().__init__(parts)
        self.attention = attention

    def prepare(self, memory: Memory) -> PreparedSource:
        """Return `memory` with the keys of the attention."""
        return PreparedSource(memory, self.attention.prepare(memory))

    def attend(self, state: RecurrentState, prepared: PreparedSource) -> tuple[Tensor, Tensor]:
        """Return context [N, D] and weights [N, S] for the hidden state of `state`."""
        context, weights = self.attention(state.hidden[:, None], prepared.attention)
        return context[:, 0], weights[:, 0]


class CurrentStateDecoder(AttentionalDecoder):
    """Asks after the step, and feeds nothing back (Luong et al. 2015, figure 2 without input feeding)."""

    def advance(
        self, steps: Steps, gates: Tensor, embedded: Tensor, state: RecurrentState, prepared: PreparedSource
    ) -> tuple[Tensor, Tensor, RecurrentState]:
        """Return feature [N, R], weights [N, S] and next state."""
        state = RecurrentState(steps.advance(gates, state.layers))
        context, weights = self.attend(state, prepared)
        return self.read(state.hidden, embedded, context), weights, state

    def force(self, tokens: Tensor, prepared: PreparedSource) -> Forced:
        """Return the features after each of `tokens` [B, T]: nothing of the attention enters the recurrence, so it
        runs in one call of the fused layers, and the attention in one batch.
        """
        embedded = self.embed(tokens)
        hidden = self.layers(embedded, self.start(prepared).layers)  # [B, T, H]
        context, weights = self.attention(hidden, prepared.attention)
        return Forced(self.read(hidden, embedded, context), weights)


class InputFeedingDecoder(AttentionalDecoder):
    """Asks after the step, and feeds the attentional vector into the next one (Luong et al. 2015, 3.3)."""

    def start(self, prepared: PreparedSource) -> RecurrentState:
        """Return the bridge's state, with zeros [B, R] to feed into the first step."""
        state = super().start(prepared)
        return replace(state, fed=state.hidden.new_zeros(state.hidden.shape[0], self.readout.size))

    def advance(
        self, steps: Steps, gates: Tensor, embedded: Tensor, state: RecurrentState, prepared: PreparedSource
    ) -> tuple[Tensor, Tensor, RecurrentState]:
        """Return feature [N, R], weights [N, S] and next state."""
        assert state.fed is not None
        state = RecurrentState(steps.advance(steps.fed_gates(gates, state.fed), state.layers))
        context, weights = self.attend(state, prepared)
        feature = self.read(state.hidden, embedded, context)
        return feature, weights, replace(state, fed=feature)

    def force(self, tokens: Tensor, prepared: PreparedSource) -> Forced:
        """Return the features after each of `tokens` [B, T], step by step."""
        embedded = self.embed(tokens).transpose(0, 1)  # [T, B, E]
        state, features, weights, steps = self.start(prepared), [], [], self.steps()
        for gates, at in zip(steps.first_gates(embedded).unbind(), embedded.unbind(), strict=True):
            feature, row, state = self.advance(steps, gates, at, state, prepared)
            features.append(feature)
            weights.append(row)
        return Forced(torch.stack(features, 1), torch.stack(weights, 1))


class PreviousStateDecoder(AttentionalDecoder):
    """Asks before the step, whose input the context joins (Bahdanau et al. 2015)."""

    def advance(
        self, steps: Steps, gates: Tensor, embedded: Tensor, state: RecurrentState, prepared: PreparedSource
    ) -> tuple[Tensor, Tensor, RecurrentState]:
        """Return feature [N, R], weights [N, S] and next state."""
        state, context, weights = self._attend_and_advance(steps, gates, state, prepared)
        return self.read(state.hidden, embedded, context), weights, state

    def force(self, tokens: Tensor, prepared: PreparedSource) -> Forced:
        """Return the features after each of `tokens` [B, T]: the recurrence step by step, the readout at once."""
        embedded = self.embed(tokens)
        state, steps = self.start(prepared), self.steps()
        hidden, contexts, weights = [], [], []
        for gates in steps.first_gates(embedded.transpose(0, 1)).unbind():
            state, context, row = self._attend_and_advance(steps, gates, state, prepared)
            hidden.append(state.hidden)
            contexts.append(context)
            weights.append(row)
        features = self.read(torch.stack(hidden, 1), embedded, torch.stack(contexts, 1))
        return Forced(features, torch.stack(weights, 1))

    def _attend_and_advance(
        self, steps: Steps, gates: Tensor, state: RecurrentState, prepared: PreparedSource
    ) -> tuple[RecurrentState, Tensor, Tensor]:
        context, weights = self.attend(state, prepared)
        layers = steps.advance(steps.fed_gates(gates, context), state.layers)
        return RecurrentState(layers), context, weights

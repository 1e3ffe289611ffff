"""Recurrent decoders: with a fixed context vector, and with attention before or after a step.

B sources, N rows, S source positions, T target positions, E embedding width, D memory width, H hidden width, G width
of the gates, F width of what is fed, R readout width.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from attncli.data.tokens import Tokens
from attncli.losses import doubly_stochastic, repeated_attention
from attncli.models.attention import Attention, Glimpse, PreparedAttention
from attncli.models.copying import Copying, mixed, mixed_log_probs
from attncli.models.decoders.decoder import Decoder, Forced, Step
from attncli.models.dropout import Dropout
from attncli.models.history import Past
from attncli.models.lstmn import square
from attncli.models.memory import Memory
from attncli.models.positions import Placing
from attncli.models.readouts import NarrowedLayer, OutputLayer, Readout
from attncli.models.recurrence import Layers, State, Steps
from attncli.models.rows import map_tensors, stack_steps
from attncli.text.tokenizer import UNK


@dataclass(frozen=True)
class RecurrentState:
    """Where a recurrent decoder stands."""

    layers: tuple[State, ...]  # of each layer (hidden,) or (hidden, cell), each [N, H]
    summary: Tensor | None = None  # of the source [N, D], where it joins every step's input
    fed: Tensor | None = None  # what is fed into the next step, [N, F]
    step: Tensor | None = None  # [N], the number of tokens written so far, where the attention counts them
    past: Past | None = None  # the weights of earlier steps, where the attention looks back

    @property
    def hidden(self) -> Tensor:
        """The top layer's hidden state [N, H], the query of the attention."""
        return self.layers[-1][0]

    def after(self, layers: tuple[State, ...], weights: Tensor | None = None) -> RecurrentState:
        """Return the state after a step, whose layers are now in `layers` and which gave `weights` [N, S]."""
        past = self.past if self.past is None or weights is None else self.past.after(weights)
        return replace(self, layers=layers, step=None if self.step is None else self.step + 1, past=past)


@dataclass(frozen=True)
class PreparedSource:
    """What the steps of a recurrent decoder need of a source."""

    memory: Memory
    attention: PreparedAttention | None
    output: NarrowedLayer | None = None  # for steps, where not everything may be written


@dataclass(frozen=True)
class RecurrentParts:
    """The parts of every recurrent decoder."""

    embedding: nn.Embedding
    layers: Layers
    bridge: nn.Module
    readout: Readout
    output: OutputLayer
    summary_enters: bool  # whether the summary follows the embedding in the input of every step
    fed_size: int  # F
    place: Placing
    output_dropout: float
    copying: Copying | None = None


class RecurrentDecoder(Decoder):
    """What the recurrent decoders share; they differ in what enters a step and in when they use attention."""

    def __init__(self, parts: RecurrentParts):
        super().__init__()
        self.embedding, self.layers, self.bridge = parts.embedding, parts.layers, parts.bridge
        self.readout, self.output = parts.readout, parts.output
        self.summary_enters, self.fed_size = parts.summary_enters, parts.fed_size
        self.place, self.output_dropout = parts.place, Dropout(parts.output_dropout)
        self.copying = parts.copying

    @property
    def copies(self) -> bool:
        """Whether tokens are copied from sources."""
        return self.copying is not None

    def prepare(self, memory: Memory) -> PreparedSource:
        """Return `memory` alone; a decoder with attention adds its keys."""
        return PreparedSource(memory, None, self.narrowed(memory))

    def start(self, prepared: PreparedSource) -> RecurrentState:
        """Return the bridge's state, a row per source; a decoder that feeds something into its steps adds it."""
        summary = prepared.memory.summary if self.summary_enters else None
        return RecurrentState(self.layers.start(self.bridge(prepared.memory)), summary)

    def step(self, tokens: Tensor, state: RecurrentState, prepared: PreparedSource) -> Step:
        """Return what follows `tokens` [N]."""
        embedded, steps = self.embed(tokens), self.steps()
        gates = steps.first_gates(self.inputs(embedded, state))
        feature, glimpse, state = self.advance(steps, gates, embedded, state, prepared)
        logits = self.output(feature, prepared.output)
        if glimpse is None:
            return Step(logits, None, state)
        if self.copying is not None:
            assert prepared.memory.copies is not None, "a source has its tokens for a decoder that copies them"
            generates = self.copying(glimpse.context, state.hidden, embedded)
            logits = mixed(logits, glimpse.weights, generates, prepared.memory.copies)
        return Step(logits, glimpse.weights, state, glimpse.marks)

    def log_probs(self, forced: Forced, target: Tokens) -> Tensor:
        """Return the log-probability [n] of every real token of `target`, with gradient, given what forcing it gave."""
        if forced.generates is None:
            return super().log_probs(forced, target)
        assert forced.copies is not None, "a source has its tokens for a decoder that copies them"
        assert forced.weights is not None, "only a decoder with attention copies"
        steps = target.ids.shape[1]
        return mixed_log_probs(
            self.output.project(target.real(forced.features)),
            self.output.classify,
            target.real(target.ids),
            weights=target.real(forced.weights),
            generates=target.real(forced.generates),
            ids=target.real(forced.copies.ids[:, None].expand(-1, steps, -1)),
        )

    def self_weights(self, tokens: Tensor, prepared: PreparedSource) -> Tensor | None:
        """Return the weights [B, L, 1, T, T] of layers that look back; None where none does."""
        embedded, state, steps, rows = self.embed(tokens), self.start(prepared), self.steps(), []
        for gates, at in zip(self.gates(steps, embedded, state), embedded.unbind(1), strict=True):
            _, _, state = self.advance(steps, gates, at, state, prepared)
            rows.append(self.layers.self_weights(state.layers))
        looking = [row for row in rows if row is not None]
        return square(looking)[:, :, None] if looking else None

    @abstractmethod
    def advance(
        self, steps: Steps, gates: Tensor, embedded: Tensor, state: RecurrentState, prepared: PreparedSource
    ) -> tuple[Tensor, Glimpse | None, RecurrentState]:
        """Return feature [N, R], glimpse and next state, given the `gates` [N, G] of the `embedded` [N, E] tokens."""

    def steps(self) -> Steps:
        """Return the layers for stepping."""
        return self.layers.steps(fed_size=self.fed_size)

    def embed(self, tokens: Tensor) -> Tensor:
        """Return the embeddings [..., E] of `tokens` [...]; a copied one that has none is read as unknown."""
        if self.copying is not None:
            tokens = tokens.where(tokens < self.embedding.num_embeddings, torch.full_like(tokens, UNK))
        return self.place(self.embedding(tokens))  # type: ignore[no-any-return]

    def inputs(self, embedded: Tensor, state: RecurrentState) -> Tensor:
        """Return `embedded` [N, E] or [B, T, E], followed by the summary where it enters every step."""
        if state.summary is None:
            return embedded
        summary = state.summary if embedded.dim() == 2 else state.summary[:, None].expand(-1, embedded.shape[1], -1)
        return torch.cat([embedded, summary], -1)

    def gates(self, steps: Steps, embedded: Tensor, state: RecurrentState) -> tuple[Tensor, ...]:
        """Return for each of T steps the bottom layer's gates [B, G] of `embedded` [B, T, E], with nothing fed yet."""
        return steps.first_gates(self.inputs(embedded, state).transpose(0, 1)).unbind()

    def read(self, hidden: Tensor, embedded: Tensor, context: Tensor | None) -> Tensor:
        """Return what the output layer reads [..., R]."""
        return self.output_dropout(self.readout(hidden, embedded, context))  # type: ignore[no-any-return]


class FixedContextDecoder(RecurrentDecoder):
    """No attention: the encoder's summary starts the decoder, and may be an input of every step.

    Sutskever et al. 2014 (`initial`); Cho et al. 2014 (`every_step`), where the readout sees the summary too.
    """

    def advance(
        self, steps: Steps, gates: Tensor, embedded: Tensor, state: RecurrentState, prepared: PreparedSource
    ) -> tuple[Tensor, None, RecurrentState]:
        """Return feature [N, R], no glimpse, and the next state."""
        state = state.after(steps.advance(gates, state.layers))
        return self.read(state.hidden, embedded, state.summary), None, state

    def force(self, tokens: Tensor, prepared: PreparedSource) -> Forced:
        """Return the features after each of `tokens` [B, T], in one call of the fused layers."""
        embedded, state = self.embed(tokens), self.start(prepared)
        inputs = self.inputs(embedded, state)
        context = None if state.summary is None else inputs[..., embedded.shape[-1] :]
        return Forced(self.read(self.layers(inputs, state.layers), embedded, context), None)


class AttentionalDecoder(RecurrentDecoder):
    """A recurrent decoder with attention.

    `doubly_stochastic` and `coverage_loss` are the weights λ of the terms of these names in training.
    """

    def __init__(
        self, parts: RecurrentParts, attention: Attention, *, doubly_stochastic: float, coverage_loss: float = 0.0
    ):
        super().__init__(parts)
        self.attention = attention
        self.doubly_stochastic, self.coverage_loss = doubly_stochastic, coverage_loss

    @property
    def needs_keys(self) -> bool:
        """Whether the attention draws by the keys of the sources."""
        return self.attention.selection.is_keyed

    def prepare(self, memory: Memory) -> PreparedSource:
        """Return `memory` with the keys of the attention."""
        return PreparedSource(memory, self.attention.prepare(memory), self.narrowed(memory))

    def start(self, prepared: PreparedSource) -> RecurrentState:
        """Return the bridge's state, with the number of the step and the past where the attention needs them."""
        state, attention = super().start(prepared), self.attention
        return replace(
            state,
            step=torch.zeros_like(state.hidden[:, 0], dtype=torch.long) if attention.counts_steps else None,
            past=attention.start(prepared.memory.mask),
        )

    def attend(self, hidden: Tensor, state: RecurrentState, prepared: PreparedSource) -> Glimpse:
        """Return what `hidden` [N, H] reads at the step of `state`."""
        step = None if state.step is None else state.step[:, None]
        glimpse: Glimpse = self.attention(hidden[:, None], prepared.attention, step, state.past)
        return map_tensors(glimpse, lambda tensor: tensor[:, 0])

    def forced(
        self, features: Tensor, glimpse: Glimpse, hidden: Tensor, embedded: Tensor, prepared: PreparedSource
    ) -> Forced:
        """Return what a target gave: of `features` [B, T, R], states [B, T, H] and embedded tokens [B, T, E]."""
        generates = None if self.copying is None else self.copying(glimpse.context, hidden, embedded)
        return Forced(
            features, glimpse.weights, glimpse.marks, glimpse.draws, generates=generates, copies=prepared.memory.copies
        )

    def further_loss(self, forced: Forced, memory: Memory, *, real: Tensor, log_probs: Tensor) -> Tensor | None:
        """Return the loss of the attention's selection plus the doubly stochastic term and that of coverage."""
        assert forced.weights is not None, "a decoder with an attention reports weights"
        terms = [self.attention.selection.learn(forced.draws, real=real, log_probs=log_probs)]
        if self.doubly_stochastic:
            terms.append(self.doubly_stochastic * doubly_stochastic(forced.weights, real, memory.mask))
        if self.coverage_loss:
            terms.append(self.coverage_loss * repeated_attention(forced.weights, real))
        present = [term for term in terms if term is not None]
        return torch.stack(present).sum() if present else None


class CurrentStateDecoder(AttentionalDecoder):
    """Attends after the step, and feeds nothing back (Luong et al. 2015, figure 2 without input feeding)."""

    def advance(
        self, steps: Steps, gates: Tensor, embedded: Tensor, state: RecurrentState, prepared: PreparedSource
    ) -> tuple[Tensor, Glimpse, RecurrentState]:
        """Return feature [N, R], glimpse and next state."""
        layers = steps.advance(gates, state.layers)
        glimpse = self.attend(layers[-1][0], state, prepared)
        state = state.after(layers, glimpse.weights)
        return self.read(state.hidden, embedded, glimpse.context), glimpse, state

    def force(self, tokens: Tensor, prepared: PreparedSource) -> Forced:
        """Return the features after each of `tokens` [B, T]: nothing of the attention enters the recurrence, so it
        runs in one call of the fused layers, and the attention in one batch unless it looks back.
        """
        embedded, state = self.embed(tokens), self.start(prepared)
        hidden = self.layers(self.inputs(embedded, state), state.layers)  # [B, T, H]
        glimpse = (self._one_by_one if self.attention.looks_back else self._all_at_once)(hidden, state, prepared)
        return self.forced(self.read(hidden, embedded, glimpse.context), glimpse, hidden, embedded, prepared)

    def _all_at_once(self, hidden: Tensor, state: RecurrentState, prepared: PreparedSource) -> Glimpse:
        numbers = torch.arange(hidden.shape[1], device=hidden.device)
        steps = None if state.step is None else state.step[:, None] + numbers
        return self.attention(hidden, prepared.attention, steps)  # type: ignore[no-any-return]

    def _one_by_one(self, hidden: Tensor, state: RecurrentState, prepared: PreparedSource) -> Glimpse:
        glimpses = []
        for query in hidden.unbind(1):
            glimpses.append(self.attend(query, state, prepared))
            state = state.after(state.layers, glimpses[-1].weights)
        return stack_steps(glimpses)


class InputFeedingDecoder(AttentionalDecoder):
    """Attends after the step, and feeds the attentional vector into the next one (Luong et al. 2015, 3.3)."""

    def start(self, prepared: PreparedSource) -> RecurrentState:
        """Return the bridge's state, with zeros [B, R] to feed into the first step."""
        state = super().start(prepared)
        return replace(state, fed=state.hidden.new_zeros(state.hidden.shape[0], self.readout.size))

    def advance(
        self, steps: Steps, gates: Tensor, embedded: Tensor, state: RecurrentState, prepared: PreparedSource
    ) -> tuple[Tensor, Glimpse, RecurrentState]:
        """Return feature [N, R], glimpse and next state."""
        assert state.fed is not None
        layers = steps.advance(steps.fed_gates(gates, state.fed), state.layers)
        glimpse = self.attend(layers[-1][0], state, prepared)
        feature = self.read(layers[-1][0], embedded, glimpse.context)
        return feature, glimpse, replace(state.after(layers, glimpse.weights), fed=feature)

    def force(self, tokens: Tensor, prepared: PreparedSource) -> Forced:
        """Return the features after each of `tokens` [B, T], step by step."""
        embedded, steps = self.embed(tokens), self.steps()
        state, features, glimpses, hidden = self.start(prepared), [], [], []
        for gates, at in zip(self.gates(steps, embedded, state), embedded.unbind(1), strict=True):
            feature, glimpse, state = self.advance(steps, gates, at, state, prepared)
            features.append(feature)
            glimpses.append(glimpse)
            hidden.append(state.hidden)
        return self.forced(torch.stack(features, 1), stack_steps(glimpses), torch.stack(hidden, 1), embedded, prepared)


class PreviousStateDecoder(AttentionalDecoder):
    """Attends before the step, and feeds the context into it (Bahdanau et al. 2015)."""

    def advance(
        self, steps: Steps, gates: Tensor, embedded: Tensor, state: RecurrentState, prepared: PreparedSource
    ) -> tuple[Tensor, Glimpse, RecurrentState]:
        """Return feature [N, R], glimpse and next state."""
        glimpse, state = self._attend_and_advance(steps, gates, state, prepared)
        return self.read(state.hidden, embedded, glimpse.context), glimpse, state

    def force(self, tokens: Tensor, prepared: PreparedSource) -> Forced:
        """Return the features after each of `tokens` [B, T]: the recurrence step by step, the readout at once."""
        embedded = self.embed(tokens)
        state, steps = self.start(prepared), self.steps()
        hidden, glimpses = [], []
        for gates in self.gates(steps, embedded, state):
            glimpse, state = self._attend_and_advance(steps, gates, state, prepared)
            hidden.append(state.hidden)
            glimpses.append(glimpse)
        glimpse, states = stack_steps(glimpses), torch.stack(hidden, 1)
        return self.forced(self.read(states, embedded, glimpse.context), glimpse, states, embedded, prepared)

    def _attend_and_advance(
        self, steps: Steps, gates: Tensor, state: RecurrentState, prepared: PreparedSource
    ) -> tuple[Glimpse, RecurrentState]:
        glimpse = self.attend(state.hidden, state, prepared)
        layers = steps.advance(steps.fed_gates(gates, glimpse.context), state.layers)
        return glimpse, state.after(layers, glimpse.weights)

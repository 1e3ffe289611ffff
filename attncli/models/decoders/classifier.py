"""A decoder of targets that are one label.

B sources, N rows, S source positions, T target positions, D memory width, Q width of the question, R readout width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attncli.models.attention import Attention, Glimpse, PreparedAttention
from attncli.models.decoders.decoder import Decoder, Forced, Step
from attncli.models.dropout import Dropout
from attncli.models.memory import Memory
from attncli.models.readouts import OutputLayer, Readout
from attncli.models.rows import map_tensors


@dataclass(frozen=True)
class Asked:
    """What is asked of a source, and the source."""

    question: Tensor  # [B, Q]
    attention: PreparedAttention | None


@dataclass(frozen=True)
class ClassifierState:
    """Where the classifier stands: it has no memory of what it wrote."""

    question: Tensor  # [N, Q]
    step: Tensor  # [N], the number of tokens written so far


class ClassifierDecoder(Decoder):
    """Writes a label: a question, tanh of a layer over the summary of the source, asks the attention once.

    The readout joins what was read with the question; without attention it has the question alone. The tokens before a
    position do not change what is written there, so that longer targets would be written token by token alike.
    """

    def __init__(
        self,
        attention: Attention | None,
        readout: Readout,
        output: OutputLayer,
        *,
        memory_size: int,
        question_size: int,
        output_dropout: float,
    ):
        super().__init__()
        self.ask = nn.Linear(memory_size, question_size)
        self.attention, self.readout, self.output = attention, readout, output
        self.output_dropout = Dropout(output_dropout)

    @property
    def needs_keys(self) -> bool:
        """Whether the attention draws by the keys of the sources."""
        return self.attention is not None and self.attention.selection.is_keyed

    def prepare(self, memory: Memory) -> Asked:
        """Return the question about each source, and the keys of the attention."""
        prepared = None if self.attention is None else self.attention.prepare(memory)
        return Asked(torch.tanh(self.ask(memory.summary)), prepared)

    def start(self, prepared: Asked) -> ClassifierState:
        """Return the state before the label."""
        question = prepared.question
        return ClassifierState(question, torch.zeros(len(question), dtype=torch.long, device=question.device))

    def step(self, tokens: Tensor, state: ClassifierState, prepared: Asked) -> Step:
        """Return what follows `tokens` [N], which are not read."""
        feature, glimpse = self._read(state.question[:, None], state.step[:, None], prepared)
        logits, after = self.output(feature[:, 0]), ClassifierState(state.question, state.step + 1)
        if glimpse is None:
            return Step(logits, None, after)
        glimpse = map_tensors(glimpse, lambda tensor: tensor[:, 0])
        return Step(logits, glimpse.weights, after, glimpse.marks)

    def force(self, tokens: Tensor, prepared: Asked) -> Forced:
        """Return the features at each of `tokens` [B, T], which are not read."""
        count = tokens.shape[1]
        steps = torch.arange(count, device=tokens.device).expand(len(tokens), -1)
        features, glimpse = self._read(prepared.question[:, None].expand(-1, count, -1), steps, prepared)
        if glimpse is None:
            return Forced(features, None)
        return Forced(features, glimpse.weights, glimpse.marks, glimpse.draws)

    def further_loss(self, forced: Forced, memory: Memory, *, real: Tensor, log_probs: Tensor) -> Tensor | None:
        """Return the loss of the attention's selection."""
        if self.attention is None:
            return None
        return self.attention.selection.learn(forced.draws, real=real, log_probs=log_probs)

    def _read(self, question: Tensor, steps: Tensor, prepared: Asked) -> tuple[Tensor, Glimpse | None]:
        """Return the features [N, T, R] and glimpse of `question` [N, T, Q] at `steps` [N, T]."""
        glimpse = None
        if self.attention is not None:
            glimpse = self.attention(question, prepared.attention, steps if self.attention.counts_steps else None)
        # There is no embedding to read, which the readouts of a classifier leave out.
        feature = self.readout(question, question, None if glimpse is None else glimpse.context)
        return self.output_dropout(feature), glimpse

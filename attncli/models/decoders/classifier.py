"""A decoder of targets that are one label.

B sources, N rows, S source positions, T target positions, D memory width, Q width of the question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attncli.models.attention import Attention, Glimpse, PreparedAttention
from attncli.models.decoders.decoder import Decoder, Forced, Step
from attncli.models.dropout import Dropout
from attncli.models.memory import Memory
from attncli.models.readouts import NarrowedLayer, OutputLayer, Readout
from attncli.models.rows import map_tensors
from attncli.text.tokenizer import BOS


@dataclass(frozen=True)
class Asked:
    """What is asked of a source, and the source as each hop looks at it."""

    question: Tensor  # [B, Q]
    hops: tuple[PreparedAttention, ...]
    output: NarrowedLayer | None = None  # for steps, where not everything may be written


@dataclass(frozen=True)
class ClassifierState:
    """Where the classifier stands: it has no memory of what it wrote."""

    question: Tensor  # [N, Q]
    step: Tensor  # [N], the number of tokens written so far


@dataclass(frozen=True)
class ForcedLabel(Forced):
    """What forcing gives, with what every hop saw."""

    glimpses: tuple[Glimpse, ...] = ()


@dataclass(frozen=True)
class Hop:
    """An attention, and a readout that makes the next question of the last one and of what was read."""

    attention: Attention
    readout: Readout

    def ask(self, question: Tensor, steps: Tensor, prepared: PreparedAttention) -> tuple[Tensor, Glimpse]:
        """Return the next question [N, T, Q], and what was seen by asking `question` at `steps` [N, T]."""
        glimpse = self.attention(question, prepared, steps if self.attention.counts_steps else None)
        # There is no embedding to read, which the readouts of a hop leave out.
        return self.readout(question, question, glimpse.context), glimpse


class ClassifierDecoder(Decoder):
    """Writes a label: a question, tanh of a layer over the summary of the source, asks the attention, hop by hop.

    Stacked attention (Yang et al. 2016, section 3.3): a question is made of the last one and of what it read; the
    output layer reads what would be the next question. Without hops that is the question itself. The tokens before a
    position do not change what is written there, so that longer targets would be written token by token alike.
    """

    def __init__(
        self,
        hops: Sequence[Hop],
        output: OutputLayer,
        *,
        memory_size: int,
        question_size: int,
        output_dropout: float,
    ):
        super().__init__()
        self.ask = nn.Linear(memory_size, question_size)
        # The first hop has the names of the only one in runs that were saved before there were several.
        self.attention = hops[0].attention if hops else None
        self.readout = hops[0].readout if hops else None
        self.further_attentions = nn.ModuleList(hop.attention for hop in hops[1:])
        self.further_readouts = nn.ModuleList(hop.readout for hop in hops[1:])
        self.output = output
        self.output_dropout = Dropout(output_dropout)

    @property
    def hops(self) -> list[Hop]:
        """Every look at the source, in order; none without attention."""
        if self.attention is None or self.readout is None:
            return []
        further = zip(self.further_attentions, self.further_readouts, strict=True)
        return [Hop(self.attention, self.readout), *(Hop(attention, readout) for attention, readout in further)]  # type: ignore[arg-type]

    @property
    def needs_keys(self) -> bool:
        """Whether an attention draws by the keys of the sources."""
        return any(hop.attention.selection.is_keyed for hop in self.hops)

    def prepare(self, memory: Memory) -> Asked:
        """Return the question about each source, and the keys of each hop's attention."""
        prepared = tuple(hop.attention.prepare(memory) for hop in self.hops)
        return Asked(torch.tanh(self.ask(memory.summary)), prepared, self.narrowed(memory))

    def start(self, prepared: Asked) -> ClassifierState:
        """Return the state before the label."""
        question = prepared.question
        return ClassifierState(question, torch.zeros(len(question), dtype=torch.long, device=question.device))

    def step(self, tokens: Tensor, state: ClassifierState, prepared: Asked) -> Step:
        """Return what follows `tokens` [N], which are not read, with the weights of the last hop."""
        feature, glimpses = self._read(state.question[:, None], state.step[:, None], prepared)
        logits, after = self.output(feature[:, 0], prepared.output), ClassifierState(state.question, state.step + 1)
        if not glimpses:
            return Step(logits, None, after)
        last = map_tensors(glimpses[-1], lambda tensor: tensor[:, 0])
        return Step(logits, last.weights, after, last.marks)

    def force(self, tokens: Tensor, prepared: Asked) -> ForcedLabel:
        """Return the features at each of `tokens` [B, T], which are not read, with the weights of the last hop."""
        count = tokens.shape[1]
        steps = torch.arange(count, device=tokens.device).expand(len(tokens), -1)
        features, glimpses = self._read(prepared.question[:, None].expand(-1, count, -1), steps, prepared)
        last = glimpses[-1] if glimpses else None
        return ForcedLabel(
            features, None if last is None else last.weights, None if last is None else last.marks, glimpses=glimpses
        )

    def further_loss(self, forced: Forced, memory: Memory, *, real: Tensor, log_probs: Tensor) -> Tensor | None:
        """Return the loss of the selections of all hops."""
        assert isinstance(forced, ForcedLabel)
        pairs = zip(self.hops, forced.glimpses, strict=True)
        losses = [hop.attention.selection.learn(seen.draws, real=real, log_probs=log_probs) for hop, seen in pairs]
        learned = [loss for loss in losses if loss is not None]
        return torch.stack(learned).sum() if learned else None

    def looks(self, memory: Memory) -> tuple[Glimpse, ...]:
        """Return what each hop saw, where there are several."""
        first = torch.full((len(memory.mask), 1), BOS, device=memory.mask.device)
        return self.force(first, self.prepare(memory)).glimpses if len(self.hops) > 1 else ()

    def cross_weights(self, tokens: Tensor, prepared: Asked) -> Tensor | None:
        """Return the weights of every hop, [B, hops, 1, T, S]; None without attention."""
        glimpses = self.force(tokens, prepared).glimpses
        return torch.stack([seen.weights for seen in glimpses], 1)[:, :, None] if glimpses else None

    def _read(self, question: Tensor, steps: Tensor, prepared: Asked) -> tuple[Tensor, tuple[Glimpse, ...]]:
        """Return the features [N, T, Q] of `question` [N, T, Q] at `steps` [N, T], and what each hop saw."""
        glimpses = []
        for hop, of_hop in zip(self.hops, prepared.hops, strict=True):
            question, glimpse = hop.ask(question, steps, of_hop)
            glimpses.append(glimpse)
        return self.output_dropout(question), tuple(glimpses)

"""An encoder and a decoder as one model.

B sources, S source positions, T target positions, R readout width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from attncli.data.tokens import Tokens
from attncli.losses import SummedLoss, cross_entropy
from attncli.models.attention import Glimpse
from attncli.models.ctc import CTC
from attncli.models.ctc_prefixes import CTCPrefixes
from attncli.models.decoders.decoder import Decoder, Forced
from attncli.models.encoders.encoder import Encoder
from attncli.models.memory import Memory
from attncli.models.network import ForcedTarget, HeadWeights, Network
from attncli.models.source_draws import fingerprints
from attncli.text.tokenizer import BOS


class EncoderDecoder(Network):
    """One model."""

    decoder: Decoder

    def __init__(self, encoder: Encoder, decoder: Decoder, ctc: CTC | None = None):
        super().__init__()
        self.encoder, self.decoder, self.ctc = encoder, decoder, ctc

    @property
    def prefixes(self) -> CTCPrefixes | None:
        """What writes by CTC alone."""
        return None if self.ctc is None else CTCPrefixes(self.ctc)

    @property
    def ctc_weight(self) -> float:
        """The share of CTC in the loss, and unless another is asked for in the search."""
        return 0.0 if self.ctc is None else self.ctc.weight

    def encode(self, source: Any) -> Memory:
        """Return the memory of `source`."""
        return self.completed(self.encoder(source), source)

    def completed(self, memory: Memory, source: Any) -> Memory:
        """Return `memory` with what the decoder needs of its `source` beside it: keys to draw by, tokens to copy."""
        return replace(
            memory,
            keys=fingerprints(source) if self.decoder.needs_keys else None,
            copies=source.copies if self.decoder.copies else None,
        )

    def narrowed(self, memory: Memory, candidates: Tensor) -> Memory:
        """Return `memory`, of which the decoder writes only what `candidates` [B, V] allow for each source."""
        return replace(memory, candidates=candidates)

    def force(self, source: Any, target: Tokens) -> Forced:
        """Return features [B, T, R] and weights [B, T, S] at each position of `target`, given the tokens before it."""
        return self.force_memory(self.encode(source), target)

    def force_memory(self, memory: Memory, target: Tokens) -> Forced:
        """Return the same for sources that were encoded to `memory`."""
        return self.decoder.force(prefix_of(target), self.decoder.prepare(memory))

    def force_target(self, memory: Memory, target: Tokens) -> ForcedTarget:
        """Return what reading `target` gives for sources that were encoded to `memory`."""
        forced = self.force_memory(memory, target)
        return ForcedTarget(self.log_probs_of(forced, target), forced.weights, forced.marks)

    def looks(self, memory: Memory) -> tuple[Glimpse, ...]:
        """Return what each of several looks at sources that were encoded to `memory` saw; none where there is one."""
        return self.decoder.looks(memory)

    def head_weights(self, source: Any, memory: Memory, target: Tokens) -> HeadWeights:
        """Return where every layer and head looks while `target` is written for `source`, encoded to `memory`."""
        prepared, prefix = self.decoder.prepare(memory), prefix_of(target)
        return HeadWeights(
            self.encoder.self_weights(source),
            self.decoder.self_weights(prefix, prepared),
            self.decoder.cross_weights(prefix, prepared),
        )

    def loss(self, source: Any, target: Tokens, *, label_smoothing: float) -> SummedLoss:
        """Return the loss over the real tokens of `target`, in training plus what the decoder adds to it.

        With CTC it is the weighted sum of the decoder's and that of CTC, which are its parts.
        """
        memory = self.encode(source)
        loss = self._decoder_loss(memory, target, label_smoothing)
        if self.ctc is None:
            return loss
        return loss.joined("ctc", self.ctc.loss(memory, target), own="cross_entropy", weight=self.ctc.weight)

    def _decoder_loss(self, memory: Memory, target: Tokens, label_smoothing: float) -> SummedLoss:
        forced = self.force_memory(memory, target)
        loss, log_probs = self._cross_entropy(forced, target, label_smoothing)
        if not self.training:
            return loss
        of_targets = target.spread(log_probs).sum(1)
        further = self.decoder.further_loss(forced, memory, real=target.mask, log_probs=of_targets)
        return loss if further is None else replace(loss, total=loss.total + further)

    def _cross_entropy(self, forced: Forced, target: Tokens, label_smoothing: float) -> tuple[SummedLoss, Tensor]:
        """Return the cross-entropy of `target` and its log-probabilities [n] without gradient."""
        if self.decoder.copies:
            found = self.decoder.log_probs(forced, target)
            total = -found.sum()
            return SummedLoss(total, total.detach(), len(found)), found.detach()
        # Only real positions go through the output layer, the largest product of a training step.
        output, wanted = self.decoder.output, target.real(target.ids)
        read = output.project(target.real(forced.features))
        return cross_entropy(read, output.classify, wanted, label_smoothing=label_smoothing)

    def log_probs_of(self, forced: Forced, target: Tokens) -> Tensor:
        """Return the log-probability [B, T] of every token of `target`, given what forcing it gave; 0 on padding."""
        return target.spread(self.decoder.log_probs(forced, target))


def prefix_of(target: Tokens) -> Tensor:
    """Return the token [B, T] that a decoder reads before it writes each of `target`, the begin symbol first."""
    return F.pad(target.ids[:, :-1], (1, 0), value=BOS)

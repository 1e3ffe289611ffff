"""An encoder and a decoder as one model.

B sources, S source positions, T target positions, R readout width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncli.data.batch import Tokens
from attncli.losses import SummedLoss, cross_entropy, doubly_stochastic
from attncli.models.decoders.decoder import Decoder, Forced
from attncli.models.memory import Memory
from attncli.text.tokenizer import BOS


class EncoderDecoder(nn.Module):
    """Maps a source to the distribution of its target."""

    def __init__(self, encoder: nn.Module, decoder: Decoder, *, doubly_stochastic: float = 0.0):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.doubly_stochastic = doubly_stochastic  # λ of the term of this name, added in training

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    def encode(self, source: Any) -> Memory:
        """Return the memory of `source`."""
        return self.encoder(source)  # type: ignore[no-any-return]

    def force(self, source: Any, target: Tokens) -> Forced:
        """Return features [B, T, R] and weights [B, T, S] at every position of `target`, which follow its prefix."""
        return self._force(self.encode(source), target)

    def _force(self, memory: Memory, target: Tokens) -> Forced:
        prefix = F.pad(target.ids[:, :-1], (1, 0), value=BOS)
        return self.decoder.force(prefix, self.decoder.prepare(memory))

    def loss(self, source: Any, target: Tokens, *, label_smoothing: float) -> SummedLoss:
        """Return the loss over the real tokens of `target`, in training with the doubly stochastic term."""
        memory = self.encode(source)
        forced = self._force(memory, target)
        # Only real positions go through the output layer, the largest product of all.
        real, output = target.mask, self.decoder.output
        read = output.project(forced.features[real])
        loss = cross_entropy(read, output.classify, target.ids[real], label_smoothing=label_smoothing)
        if not self.training or not self.doubly_stochastic or forced.weights is None:
            return loss
        further = self.doubly_stochastic * doubly_stochastic(forced.weights, real, memory.mask)
        return replace(loss, total=loss.total + further)

    def log_probs(self, source: Any, target: Tokens) -> tuple[Tensor, Tensor | None]:
        """Return the log-probability [B, T] of every token of `target`, 0 on padding, and the weights [B, T, S]."""
        forced = self.force(source, target)
        logits = self.decoder.output(forced.features).float()
        chosen = logits.log_softmax(-1).gather(-1, target.ids[:, :, None])[:, :, 0]
        return chosen * target.mask, forced.weights

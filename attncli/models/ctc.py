"""Connectionist temporal classification: the encoder's states write the target themselves, in their order.

Graves et al. 2006. Every position writes a token or a blank; a target's probability is the sum over all ways to write
it so that the target is left when equal neighbours are joined and then blanks removed.

B sources, S source positions, T target positions, D memory width, V vocabulary.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncli.data.tokens import Tokens
from attncli.models.memory import Memory
from attncli.models.readouts import OutputLayer
from attncli.text.tokenizer import BOS, EOS, PAD

BLANK = PAD
"""Padding is no token of a target, so its place in the vocabulary is free."""
NEVER = -1e9
"""The logarithm of a probability that counts as 0: the loss has no gradient where it is infinite."""


class CTC(nn.Module):
    """An output layer over memories of width `memory_size`, for the vocabulary of `embedding` with blank as PAD.

    `weight` is its share of the loss.
    """

    def __init__(self, memory_size: int, embedding: nn.Embedding, *, weight: float):
        super().__init__()
        self.output = OutputLayer(memory_size, embedding, tied=False)
        self.weight = weight

    def log_probs(self, memory: Memory) -> Tensor:
        """Return the log-probability [B, S, V] in float32 of every token, or of BLANK, at every position."""
        logits: Tensor = self.output(memory.states).float()
        # Targets begin and end where the positions do, without a symbol.
        return logits.index_fill(-1, torch.tensor([BOS, EOS], device=logits.device), NEVER).log_softmax(-1)

    def loss(self, memory: Memory, target: Tokens) -> Tensor:
        """Return minus the log-probability of each `target` without its end symbol, summed over the batch.

        A target that needs more positions than its source has (`positions_needed`) cannot be written, which would be an
        infinite loss; it adds nothing.
        """
        found = F.ctc_loss(
            self.log_probs(memory).transpose(0, 1),
            target.ids,
            memory.mask.sum(1),
            target.lengths - 1,
            blank=BLANK,
            reduction="none",
            zero_infinity=True,
        )
        return found.sum()

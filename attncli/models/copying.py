"""Copying: a decoder's distribution over its vocabulary, mixed with one over the words of the source.

See, Liu and Manning 2017, "Get To The Point: Summarization with Pointer-Generator Networks", section 2.2.

B sources, K hypotheses of each, N = B*K rows, n target tokens, S source positions, D memory width, H hidden width, E
embedding width, V vocabulary, W words of the vocabulary and of the source.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncli.data.tokens import Copies
from attncli.losses import log_probs_of


class Copying(nn.Module):
    """Decides at each step how far a token is generated and how far it is copied.

    p = σ(w · [c; s; y] + b), of context, state and embedded previous token (equation 8). A token's probability is p
    times that in the vocabulary, plus 1 - p times the attention to the positions of the source that hold it (equation
    9). Weights that a window has lowered are brought back to a sum of 1 for that.
    """

    def __init__(self, context_size: int, hidden_size: int, embedding_size: int):
        super().__init__()
        self.generates = nn.Linear(context_size + hidden_size + embedding_size, 1)

    def forward(self, context: Tensor, hidden: Tensor, embedded: Tensor) -> Tensor:
        """Return the logit of p [...] for context [..., D], state [..., H] and embedded token [..., E]."""
        return self.generates(torch.cat([context, hidden, embedded], -1))[..., 0].float()  # type: ignore[no-any-return]


def mixed(logits: Tensor, weights: Tensor, generates: Tensor, copies: Copies) -> Tensor:
    """Return the log-probabilities [N, W] of all words, for `logits` [N, V], `weights` [N, S] and logits of p [N].

    The sources of `copies` are B, of which each has N / B consecutive rows.
    """
    own = F.logsigmoid(generates)[:, None] + logits.float().log_softmax(-1)
    own = F.pad(own, (0, copies.words - logits.shape[1]), value=-math.inf)
    rows = len(logits) // len(copies.ids)
    shares = _shares(weights) * torch.sigmoid(-generates)[:, None]
    copied = torch.zeros_like(own).scatter_add(1, copies.ids.repeat_interleave(rows, 0), shares)
    return torch.logaddexp(own, copied.log())


def mixed_log_probs(
    read: Tensor, output: nn.Linear, wanted: Tensor, *, weights: Tensor, generates: Tensor, ids: Tensor
) -> Tensor:
    """Return the log-probability [n] of each of the tokens `wanted` [n], with gradient.

    The output layer reads `read` [n, R]; `weights` and `ids` [n, S] are those of each token's own source.
    """
    vocabulary = output.out_features
    is_known = wanted < vocabulary
    own = log_probs_of(read, output, wanted.where(is_known, torch.zeros_like(wanted)))
    own = (F.logsigmoid(generates) + own).masked_fill(~is_known, -math.inf)
    copied = (_shares(weights) * (ids == wanted[:, None])).sum(-1)
    is_copied = copied > 0
    # The logarithm of 0 has no gradient that could be used, so it is never taken.
    log_copied = copied.where(is_copied, torch.ones_like(copied)).log() + F.logsigmoid(-generates)
    both = torch.logaddexp(own.masked_fill(~is_known, 0.0), log_copied)
    return torch.where(is_copied, torch.where(is_known, both, log_copied), own)


def _shares(weights: Tensor) -> Tensor:
    return weights.float() / weights.float().sum(-1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)

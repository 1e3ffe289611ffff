"""What training minimises, as sums with their token counts, so that batches of any size join exactly.

V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from attncli.text.tokenizer import PAD


@dataclass(frozen=True)
class SummedLoss:
    """The loss of a batch, summed over its real target tokens."""

    total: Tensor  # scalar with gradient: what is minimised, label smoothing and further terms included
    negative_log_likelihood: Tensor  # scalar without gradient, in nats, label smoothing left out
    tokens: int  # real target tokens


class _CrossEntropy(torch.autograd.Function):
    """The sums of smoothed and of plain cross-entropy over real targets.

    torch's own keeps its [n, V] log-probabilities and makes two more of that size in the backward pass when labels are
    smoothed. Here the gradient is written over the log-probabilities: one passes fewer through memory, and the peak is
    two such tensors (with the logits) instead of four.
    """

    @staticmethod
    def forward(context: Any, logits: Tensor, targets: Tensor, label_smoothing: float) -> tuple[Tensor, Tensor]:
        log_probs = torch.log_softmax(logits, dim=-1, dtype=torch.float32)  # [n, V]
        real = targets != PAD
        plain = -log_probs.gather(1, targets[:, None])[:, 0].where(real, 0).sum(dtype=torch.float64)
        context.saved = (log_probs, targets, real)
        context.label_smoothing = label_smoothing
        context.logits_type = logits.dtype
        context.set_materialize_grads(False)
        total = plain
        if label_smoothing:
            mean = -log_probs.mean(dim=-1).where(real, 0).sum(dtype=torch.float64)
            total = (1 - label_smoothing) * plain + label_smoothing * mean
        total, plain = total.float(), plain.float()
        context.mark_non_differentiable(plain)
        return total, plain

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor, _: Tensor | None) -> tuple[Tensor, None, None]:
        if context.saved is None:
            raise RuntimeError("the gradient of cross_entropy can be taken once")
        log_probs, targets, real = context.saved
        context.saved = None
        smoothing = context.label_smoothing
        logits_gradient = log_probs.exp_()
        if smoothing:
            logits_gradient -= smoothing / log_probs.shape[1]
        rows = torch.arange(len(targets), device=targets.device)
        logits_gradient[rows, targets] -= 1 - smoothing
        logits_gradient *= (gradient * real)[:, None]
        return logits_gradient.to(context.logits_type), None, None


def cross_entropy(
    logits: Tensor, targets: Tensor, *, label_smoothing: float = 0.0, tokens: int | None = None
) -> SummedLoss:
    """Return the cross-entropy of `targets` [...] under `logits` [..., V], in nats; padding counts nothing.

    With label smoothing ε (Szegedy et al. 2016, section 7) a target's loss is (1 - ε) · -log p(target) plus ε times the
    mean of -log p over the vocabulary. The sums are taken in float32 or better. `tokens` is the number of real targets
    where the caller knows it, which saves waiting for an accelerator.
    """
    flat_logits, flat_targets = logits.reshape(-1, logits.shape[-1]), targets.reshape(-1)
    total, plain = _CrossEntropy.apply(flat_logits, flat_targets, label_smoothing)  # type: ignore[no-untyped-call]
    count = int((flat_targets != PAD).sum()) if tokens is None else tokens
    return SummedLoss(total, plain.detach(), count)

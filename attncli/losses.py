"""What training minimises: sums with the number of their terms, so that batches of any size add up exactly.

n positions, R width of what the output layer reads, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

# The most logits that exist at once: 16 MiB in float32, which a processor's cache still holds.
CHUNK = 1 << 22


@dataclass(frozen=True)
class SummedLoss:
    """The loss of a batch, summed over its terms: real target tokens, or components of what is reconstructed."""

    total: Tensor  # scalar with gradient: what is minimised, including label smoothing and other terms of training
    reported: Tensor  # scalar without gradient: what logs and validations show, such as nats without label smoothing
    terms: int
    parts: Mapping[str, Tensor] = field(default_factory=dict)  # of `reported`, if it is a joint loss

    def joined(self, name: str, other: Tensor, *, own: str, weight: float) -> SummedLoss:
        """Return (1 - weight) times this loss, called `own`, plus `weight` times `other` [], of the same terms."""
        reported = other.detach()
        return SummedLoss(
            (1 - weight) * self.total + weight * other,
            (1 - weight) * self.reported + weight * reported,
            self.terms,
            {own: self.reported, name: reported},
        )


def doubly_stochastic(weights: Tensor, steps: Tensor, positions: Tensor) -> Tensor:
    """Return Σ_s (1 - Σ_t a_ts)², summed over examples: every position should get a total weight of 1.

    Xu et al. 2015, equation 14. `weights` [B, T, S] are summed over the real `steps` [B, T], and the squares over the
    real `positions` [B, S]. The paper adds the term to a cross-entropy summed over tokens, as this package does.
    """
    looked_at = (weights * steps[:, :, None]).sum(1)  # [B, S]
    return ((1 - looked_at).square() * positions).sum()


def repeated_attention(weights: Tensor, steps: Tensor) -> Tensor:
    """Return Σ_t Σ_s min(a_ts, c_ts), summed over examples, where c_ts is what came to position s before step t.

    See, Liu and Manning 2017, equation 12 (the coverage loss). `weights` [B, T, S] count at the real `steps` [B, T].
    """
    before = F.pad(weights[:, :-1].cumsum(1), (0, 0, 1, 0))
    return (torch.minimum(weights, before).sum(-1) * steps).sum()


class _CrossEntropy(torch.autograd.Function):
    """The sum of an output layer's cross-entropy with its gradients, and log-probabilities, in chunks of rows.

    The logits [n, V] are the largest tensors of a training step, and plain operations keep several of that size. Here
    a chunk's gradients are computed while its logits exist, so nothing of that size is kept or computed twice.
    """

    @staticmethod
    def forward(
        context: Any, features: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, label_smoothing: float
    ) -> tuple[Tensor, Tensor]:
        wanted = any(context.needs_input_grad)
        rows = max(1, CHUNK // len(weight))
        kind = features.dtype
        cast_weight, cast_bias = weight.to(kind), bias.to(kind)
        gradients = (torch.empty_like(features), torch.zeros_like(weight), torch.zeros_like(bias)) if wanted else None
        # In float64, so that the sum hardly depends on how the rows are cut into chunks.
        smoothed = torch.zeros((), dtype=torch.float64, device=features.device)
        likelihoods = []
        for first in range(0, len(features), rows):
            part, chosen = features[first : first + rows], targets[first : first + rows, None]
            log_probs = torch.log_softmax(F.linear(part, cast_weight, cast_bias), dim=-1, dtype=torch.float32)
            likelihoods.append(log_probs.gather(1, chosen)[:, 0])
            smoothed = smoothed - (1 - label_smoothing) * likelihoods[-1].sum(dtype=torch.float64)
            if label_smoothing:
                smoothed = smoothed - label_smoothing * log_probs.mean(-1).sum(dtype=torch.float64)
            if gradients is not None:
                slope = _slope(log_probs, chosen, label_smoothing).to(kind)  # [rows, V]
                gradients[0][first : first + rows] = slope @ cast_weight
                gradients[1].add_(slope.t() @ part)
                gradients[2].add_(slope.sum(0))
        context.gradients = gradients
        total, likelihood = smoothed.float(), torch.cat(likelihoods)
        context.mark_non_differentiable(likelihood)
        context.set_materialize_grads(False)
        return total, likelihood

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor, _: Tensor | None) -> tuple[Tensor | None, ...]:
        if context.gradients is None:
            raise RuntimeError("the gradient of cross_entropy can be taken once")
        # In place, since a copy of the gradient of the weight [V, R] would double the peak of memory.
        features, weight, bias = (each.mul_(gradient) for each in context.gradients)
        context.gradients = None
        return features, weight, bias, None, None


def _slope(log_probs: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """Return the gradient of the smoothed loss by the logits, written over `log_probs` [n, V]."""
    slope = log_probs.exp_()
    if label_smoothing:
        slope -= label_smoothing / slope.shape[1]
    return slope.scatter_add_(1, targets, slope.new_full(targets.shape, label_smoothing - 1))


def cross_entropy(
    features: Tensor, output: nn.Linear, targets: Tensor, *, label_smoothing: float
) -> tuple[SummedLoss, Tensor]:
    """Return the cross-entropy, in nats, of `targets` [n] under the logits that `output` makes of `features` [n, R].

    The second value is the log-probability of each target [n], without gradient or smoothing. With label smoothing ε
    (Szegedy et al. 2016, section 7) a target's loss is (1 - ε) · -log p(target) plus ε times the mean of -log p over
    the vocabulary. Softmax and sums are in float32 or better, whatever the precision of the products.
    """
    if torch.is_autocast_enabled(features.device.type):
        features = features.to(torch.get_autocast_dtype(features.device.type))
    with torch.autocast(features.device.type, enabled=False):
        bias = output.weight.new_zeros(len(output.weight)) if output.bias is None else output.bias
        total, log_probs = _CrossEntropy.apply(features, output.weight, bias, targets, label_smoothing)  # type: ignore[no-untyped-call]
    log_probs = log_probs.detach()
    return SummedLoss(total, -log_probs.sum(dtype=torch.float64).float(), len(targets)), log_probs


def log_probs_of(features: Tensor, output: nn.Linear, targets: Tensor) -> Tensor:
    """Return the log-probability [n] of each of `targets` [n] under the logits of `features` [n, R], with gradient.

    The logits exist in chunks, which are computed again for the backward pass.
    """
    rows = max(1, CHUNK // output.out_features)
    parts = zip(torch.split(features, rows), torch.split(targets, rows), strict=True)
    found = [checkpoint(_chosen, part, output, wanted, use_reentrant=False) for part, wanted in parts]
    return torch.cat(found)


def _chosen(features: Tensor, output: nn.Linear, targets: Tensor) -> Tensor:
    return output(features).float().log_softmax(-1).gather(1, targets[:, None])[:, 0]  # type: ignore[no-any-return]


def squared_error(found: Tensor, wanted: Tensor) -> SummedLoss:
    """Return the squared error of `found` [B, D] against `wanted` [B, D], summed over all components."""
    with torch.autocast(found.device.type, enabled=False):
        total = F.mse_loss(found.float(), wanted, reduction="sum")
    return SummedLoss(total, total.detach(), wanted.numel())

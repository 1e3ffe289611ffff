"""One update: gradients of all its batches, checked, clipped and followed."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from attncli.config.training import Training
from attncli.device import autocast
from attncli.training.optimizers import build_optimizer
from attncli.training.task import CountedBatch, Task


@dataclass(frozen=True)
class Update:
    """What one update saw."""

    loss: float  # what was minimised, summed over target tokens
    negative_log_likelihood: float  # nats, summed over target tokens
    gradient_norm: float  # of the mean loss a token, before clipping
    target_tokens: int
    tokens: int  # source and target
    seconds: float


class NotFiniteError(Exception):
    """A loss or a gradient that is no number; nothing was changed."""


class Updater:
    """Changes the weights of a task's model."""

    def __init__(self, task: Task, config: Training, device: torch.device):
        self.task, self.config, self.device = task, config, device
        self.optimizer = build_optimizer(config, task.model)

    def update(self, batches: Sequence[CountedBatch], learning_rate: float) -> Update:
        """Take one step on `batches` together; raises NotFiniteError before it where there is nothing to follow."""
        started = time.perf_counter()
        target_tokens = sum(batch.target_tokens for batch in batches)
        loss, likelihood, norm = self._gradients(batches, target_tokens)
        if not math.isfinite(loss):
            raise NotFiniteError(f"the loss is {loss}")
        if not math.isfinite(norm):
            raise NotFiniteError(f"the norm of the gradient is {norm}")
        self._step(norm, learning_rate)
        tokens = target_tokens + sum(batch.source_tokens for batch in batches)
        return Update(loss, likelihood, norm, target_tokens, tokens, time.perf_counter() - started)

    def _gradients(self, batches: Sequence[CountedBatch], target_tokens: int) -> tuple[float, float, float]:
        """Fill the gradients of the mean loss a token; return its sum, that without smoothing, and their norm.

        Every batch is divided by the tokens of all, so that the gradient is that of one large batch.
        """
        sums = torch.zeros(2, device=self.device)
        for batch in batches:
            with autocast(self.config.precision, self.device):
                loss = self.task.loss(batch.to(self.device))
            (loss.total / target_tokens).backward()  # type: ignore[no-untyped-call]
            sums += torch.stack((loss.total.detach(), loss.negative_log_likelihood))
        norm = get_total_norm(self._gradient_tensors())
        # The only wait for an accelerator in an update.
        loss_sum, likelihood_sum, norm_value = torch.cat((sums, norm[None])).tolist()
        return loss_sum, likelihood_sum, norm_value

    def _gradient_tensors(self) -> list[Tensor]:
        return [parameter.grad for parameter in self.task.model.parameters() if parameter.grad is not None]

    def _step(self, norm: float, learning_rate: float) -> None:
        clip = self.config.clip_norm
        if clip is not None and norm > clip:
            clip_grads_with_norm_(self.task.model.parameters(), clip, torch.tensor(norm, device=self.device))
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

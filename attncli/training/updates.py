"""One update: the gradients of its batches, checked, clipped and applied."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from attncli.config.training import Training
from attncli.machine.device import autocast
from attncli.training.optimizers import build_optimizer
from attncli.training.task import CountedBatch, FollowsUpdates, Task


@dataclass(frozen=True)
class Update:
    """What one update measured."""

    loss: float  # what was minimised, summed over its terms
    reported_loss: float  # summed over its terms
    gradient_norm: float  # of the mean loss per term, before clipping
    terms: int
    size: int  # of its batches, in the task's unit
    seconds: float


class NotFiniteError(Exception):
    """The loss or the gradient is not finite; no weight was changed."""


class Updater:
    """Updates the weights of a task's model."""

    def __init__(self, task: Task, config: Training, device: torch.device):
        self.task, self.config, self.device = task, config, device
        self.optimizer = build_optimizer(config, task.model)
        self.followers = [module for module in task.model.modules() if isinstance(module, FollowsUpdates)]

    def update(self, batches: Sequence[CountedBatch], learning_rate: float) -> Update:
        """Take one step on all `batches`; raises NotFiniteError before it if the loss or the gradient is not finite."""
        started = time.perf_counter()
        terms = sum(batch.terms for batch in batches)
        loss, reported, norm = self._gradients(batches, terms)
        if not math.isfinite(loss):
            raise NotFiniteError(f"the loss is {loss}")
        if not math.isfinite(norm):
            raise NotFiniteError(f"the norm of the gradient is {norm}")
        self._step(norm, learning_rate)
        size = sum(batch.size for batch in batches)
        return Update(loss, reported, norm, terms, size, time.perf_counter() - started)

    def _gradients(self, batches: Sequence[CountedBatch], terms: int) -> tuple[float, float, float]:
        """Compute the gradients of the mean loss per term; return the sums of both losses, and the gradients' norm.

        Each loss is divided by the terms of all batches, so that the gradient is that of one large batch.
        """
        sums = torch.zeros(2, device=self.device)
        for batch in batches:
            with autocast(self.config.precision, self.device):
                loss = self.task.loss(batch.to(self.device))
            (loss.total / terms).backward()  # type: ignore[no-untyped-call]
            sums += torch.stack((loss.total.detach(), loss.reported))
        norm = get_total_norm([each.grad for each in self.task.model.parameters() if each.grad is not None])
        # The only synchronisation with an accelerator in an update.
        loss_sum, reported_sum, norm_value = torch.cat((sums, norm[None])).tolist()
        return loss_sum, reported_sum, norm_value

    def _step(self, norm: float, learning_rate: float) -> None:
        clip = self.config.clip_norm
        # Not `clip_grad_norm_`, which would compute the norm and wait for the device once more.
        if clip is not None and norm > clip:
            clip_grads_with_norm_(self.task.model.parameters(), clip, torch.full((), norm, device=self.device))
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group["factor"]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        for module in self.followers:
            module.end_update()

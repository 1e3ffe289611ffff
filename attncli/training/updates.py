"""One update: the gradients of its batches, checked, clipped and applied."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from attncli.config.training import Training
from attncli.machine.device import autocast
from attncli.machine.processes import ALONE, Processes
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
    """Updates the weights of a task's model, in each of several processes to the same bits."""

    def __init__(self, task: Task, config: Training, device: torch.device, processes: Processes = ALONE):
        self.task, self.config, self.device, self.processes = task, config, device, processes
        self.optimizer = build_optimizer(config, task.model)
        self.followers = [module for module in task.model.modules() if isinstance(module, FollowsUpdates)]

    def update(self, batches: Sequence[CountedBatch], learning_rate: float) -> Update:
        """Take one step on the `batches` of all processes, and return what it measured of all of them.

        Raises NotFiniteError before the step if the loss or the gradient is not finite.
        """
        started = time.perf_counter()
        own = sum(batch.terms for batch in batches), sum(batch.size for batch in batches)
        terms, size = map(int, self.processes.sums(*own))
        loss, reported, norm = self._gradients(batches, terms)
        if not math.isfinite(loss):
            raise NotFiniteError(f"the loss is {loss}")
        if not math.isfinite(norm):
            raise NotFiniteError(f"the norm of the gradient is {norm}")
        self._step(norm, learning_rate)
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
        self._add_up(sums)
        norm = get_total_norm([each.grad for each in self.task.model.parameters() if each.grad is not None])
        # The only synchronisation with an accelerator in an update.
        loss_sum, reported_sum, norm_value = torch.cat((sums, norm[None])).tolist()
        return loss_sum, reported_sum, norm_value

    def _add_up(self, sums: Tensor) -> None:
        """Replace `sums` and the gradients by those of all processes."""
        if self.processes.count == 1:
            return
        parameters = [each for each in self.task.model.parameters() if each.requires_grad]
        # A process without examples of these batches has no gradients, but must take part in adding them up.
        used = self.processes.sums(*(each.grad is not None for each in parameters))
        for parameter, times in zip(parameters, used, strict=True):
            if times and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self.processes.add_up([sums, *(each.grad for each in parameters if each.grad is not None)])

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
            self.processes.add_up(module.sums())
            module.end_update()

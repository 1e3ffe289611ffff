"""What turns gradients into steps: torch's own optimisers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from attncli.config import training as config


def _adam(parameters: Iterable[nn.Parameter], part: config.Adam, rate: float, fused: bool) -> Optimizer:
    return torch.optim.Adam(parameters, lr=rate, betas=part.betas, eps=part.epsilon, fused=fused)


def _adamw(parameters: Iterable[nn.Parameter], part: config.AdamW, rate: float, fused: bool) -> Optimizer:
    return torch.optim.AdamW(
        parameters, lr=rate, betas=part.betas, eps=part.epsilon, weight_decay=part.weight_decay, fused=fused
    )


def _sgd(parameters: Iterable[nn.Parameter], part: config.SGD, rate: float, fused: bool) -> Optimizer:
    return torch.optim.SGD(parameters, lr=rate, momentum=part.momentum, fused=fused)


OPTIMIZERS: dict[str, Callable[[Iterable[nn.Parameter], Any, float, bool], Optimizer]] = {
    "adam": _adam,
    "adamw": _adamw,
    "sgd": _sgd,
}


def build_optimizer(training: config.Training, model: nn.Module) -> Optimizer:
    """Return the optimiser that `training` asks for, over those parameters of `model` that learn."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    # One fused kernel a step instead of a loop over parameters; torch has it for these devices.
    fused = all(parameter.device.type in ("cpu", "cuda") for parameter in parameters)
    return OPTIMIZERS[training.optimizer.kind](parameters, training.optimizer, training.learning_rate, fused)

"""PyTorch's optimisers, as the configuration asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from attncli.config import training as config
from attncli.errors import RunError

Groups = list[dict[str, Any]]

OUTPUT_RATE_FACTORS: Final = {"output": 3.0, "tied_output": 1.0}
"""Multipliers on the learning rate of output layers, where `training.output_rate_factor` is not given."""


def _adam(parameters: Groups, part: config.Adam, rate: float, fused: bool) -> Optimizer:
    return torch.optim.Adam(parameters, lr=rate, betas=part.betas, eps=part.epsilon, fused=fused)


def _adamw(parameters: Groups, part: config.AdamW, rate: float, fused: bool) -> Optimizer:
    return torch.optim.AdamW(
        parameters, lr=rate, betas=part.betas, eps=part.epsilon, weight_decay=part.weight_decay, fused=fused
    )


def _sgd(parameters: Groups, part: config.SGD, rate: float, fused: bool) -> Optimizer:
    return torch.optim.SGD(parameters, lr=rate, momentum=part.momentum, fused=fused)


OPTIMIZERS: dict[str, Callable[[Groups, Any, float, bool], Optimizer]] = {
    "adam": _adam,
    "adamw": _adamw,
    "sgd": _sgd,
}


def build_optimizer(training: config.Training, model: nn.Module) -> Optimizer:
    """Return the optimiser that `training` asks for, over the trainable parameters of `model`."""
    given = getattr(training, "output_rate_factor", None)
    factors = OUTPUT_RATE_FACTORS if given is None else dict.fromkeys(OUTPUT_RATE_FACTORS, given)
    groups = _groups(model, factors)
    # One fused kernel per step instead of a loop over parameters; PyTorch has it for these devices.
    fused = all(parameter.device.type in ("cpu", "cuda") for group in groups for parameter in group["params"])
    return OPTIMIZERS[training.optimizer.kind](groups, training.optimizer, training.learning_rate, fused)


def put_optimizer_state(optimizer: Optimizer, saved: Mapping[int, Mapping[str, Tensor]], *, where: str) -> None:
    """Give `optimizer` the running means in `saved`, by parameter; its settings stay as configured.

    Raises a RunError beginning with `where` unless each is what the optimiser would have itself: the fused kernels
    trust shapes and types, and would read memory that is not theirs.
    """
    settings = optimizer.state_dict()["param_groups"]
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for index, state in saved.items():
        if not 0 <= index < len(parameters):
            raise RunError(f"{where}: the optimiser's state is of another model: it has a parameter {index}")
        of_parameter = f"{where}: the optimiser's state of parameter {index}"
        found, expected = ", ".join(sorted(state)), ", ".join(sorted(_state_names(optimizer)))
        if found != expected:
            raise RunError(f"{of_parameter} holds {found[:100] or 'nothing'} instead of {expected or 'nothing'}")
        for name, tensor in state.items():
            size = torch.Size([]) if name == "step" else parameters[index].shape
            kind = torch.float32 if name == "step" else parameters[index].dtype
            if (tensor.shape, tensor.dtype, tensor.layout) != (size, kind, torch.strided):
                raise RunError(
                    f"{of_parameter} holds {name} as {tensor.dtype} of size {list(tensor.shape)} instead of {kind} of "
                    f"size {list(size)}"
                )
            if not tensor.isfinite().all() or (name in ("step", "exp_avg_sq") and (tensor < 0).any()):
                raise RunError(f"{of_parameter} holds a number that {name} cannot have")
    optimizer.load_state_dict({"state": {key: dict(value) for key, value in saved.items()}, "param_groups": settings})


def _state_names(optimizer: Optimizer) -> set[str]:
    """Return the names of the tensors that `optimizer` keeps of a parameter."""
    if isinstance(optimizer, torch.optim.SGD):
        return {"momentum_buffer"} if optimizer.defaults["momentum"] else set()
    return {"step", "exp_avg", "exp_avg_sq"}


def _groups(model: nn.Module, named: Mapping[str, float]) -> Groups:
    """Return the trainable parameters, grouped by the factor on their learning rate.

    A module with an attribute `rate_factor`, a number or a name in `named`, sets the factor of all its parameters; all
    others have 1.
    """
    factors: dict[int, float] = {}
    for module in model.modules():
        if (factor := getattr(module, "rate_factor", None)) is not None:
            factor = named[factor] if isinstance(factor, str) else factor
            factors.update((id(parameter), factor) for parameter in module.parameters())
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            groups.setdefault(factors.get(id(parameter), 1.0), []).append(parameter)
    return [{"params": parameters, "factor": factor} for factor, parameters in groups.items()]

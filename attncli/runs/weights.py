"""Weights of a model as named tensors, in safetensors files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from attncli.errors import RunError

Weights = dict[str, Tensor]


def weights_of(model: nn.Module) -> Weights:
    """Return the parameters and buffers of `model` by name, sharing its memory; a tied one has its first name only."""
    weights: Weights = {}
    seen: set[int] = set()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            weights[name] = tensor.detach()
            seen.add(id(tensor))
    return weights


def put_weights(model: nn.Module, weights: Mapping[str, Tensor], *, where: str) -> None:
    """Copy `weights` into `model`, onto its device; raises a RunError beginning with `where` if they do not fit."""
    expected = weights_of(model)
    problems = [f"misses {name}" for name in expected if name not in weights]
    problems += [f"has {name}, which the model does not have" for name in weights if name not in expected]
    problems += [
        f"has {name} of size {list(weights[name].shape)}, the model of {list(tensor.shape)}"
        for name, tensor in expected.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise RunError(f"{where}: does not fit the model of config.yaml: {'; '.join(problems[:3])}{more}")
    with torch.no_grad():
        for name, tensor in expected.items():
            tensor.copy_(weights[name])


def write_weights(weights: Mapping[str, Tensor], path: Path) -> None:
    """Write `weights` into the safetensors file `path`."""
    save_file({name: tensor.contiguous().cpu() for name, tensor in weights.items()}, path)


def read_weights(path: Path) -> Weights:
    """Return the weights in `path`, on the CPU; raises a RunError if the file is damaged."""
    try:
        return load_file(path, device="cpu")
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path}: damaged or cut short: {error}") from None


def average_weights(paths: Sequence[Path]) -> Weights:
    """Return the mean of the weights in the files `paths`; integers are taken from the first."""
    mean = read_weights(paths[0])
    for count, path in enumerate(paths[1:], start=2):
        for name, tensor in read_weights(path).items():
            if tensor.is_floating_point():
                mean[name] += (tensor - mean[name]) / count
    return mean

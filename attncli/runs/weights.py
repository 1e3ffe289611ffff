"""Weights of a model as named tensors, in safetensors files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from attncli.errors import RunError

Weights = dict[str, Tensor]


def weights_of(model: nn.Module) -> Weights:
    """Return the parameters and buffers of `model` by name, sharing its memory; a tied one has its first name only."""
    weights: Weights = {}
    seen: set[int] = set()
    # Kept as variables, tied weights are one object.
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            weights[name] = tensor.detach()
            seen.add(id(tensor))
    return weights


@dataclass(frozen=True)
class Shape:
    """What is known of a tensor before it is read."""

    size: tuple[int, ...]
    is_floating_point: bool


def check_fit(model: nn.Module, found: Mapping[str, Shape], *, where: str) -> None:
    """Raise a RunError beginning with `where` unless `found` are the weights of `model`, which may be on `meta`."""
    expected = weights_of(model)
    problems = [f"misses {name}" for name in expected if name not in found]
    problems += [f"has {name}, which the model does not have" for name in found if name not in expected]
    for name, tensor in expected.items():
        if name in found and found[name].size != tensor.shape:
            problems.append(f"has {name} of size {list(found[name].size)}, the model of {list(tensor.shape)}")
        elif name in found and found[name].is_floating_point != tensor.is_floating_point():
            problems.append(f"has {name} of another type than the model's {tensor.dtype}")
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise RunError(f"{where}: does not fit the model of config.yaml: {'; '.join(problems[:3])}{more}")


def put_weights(model: nn.Module, weights: Mapping[str, Tensor], *, where: str) -> None:
    """Copy `weights` into `model`, onto its device; raises a RunError beginning with `where` if they do not fit."""
    shapes = {name: Shape(tuple(tensor.shape), tensor.is_floating_point()) for name, tensor in weights.items()}
    check_fit(model, shapes, where=where)
    with torch.no_grad():
        for name, tensor in weights_of(model).items():
            tensor.copy_(weights[name])


def write_weights(weights: Mapping[str, Tensor], path: Path) -> None:
    """Write `weights` into the safetensors file `path`."""
    save_file({name: tensor.contiguous().cpu() for name, tensor in weights.items()}, path)


def read_shapes(path: Path) -> dict[str, Shape]:
    """Return the shapes of the weights in `path` without reading them; raises a RunError if the file is damaged."""
    with _explained(path), safe_open(path, framework="pt") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        return {
            name: Shape(tuple(each.get_shape()), each.get_dtype().startswith(("F", "BF")))
            for name, each in slices.items()
        }


def read_weights(path: Path) -> Weights:
    """Return the weights in `path`, on the CPU; raises a RunError if the file is damaged or a weight is not finite."""
    with _explained(path):
        weights = load_file(path, device="cpu")
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise RunError(f"{path}: damaged: {name} holds a number that is not finite; use another checkpoint")
    return weights


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path}: damaged or cut short: {error}") from None


def average_weights(all_weights: Iterable[Weights]) -> Weights:
    """Return the mean of some weights, read one after the other; integers are taken from the first."""
    # Updated with each, so that no more than two sets of weights are in memory.
    mean: Weights = {}
    for count, weights in enumerate(all_weights, start=1):
        if not mean:
            mean = weights
            continue
        for name, tensor in weights.items():
            if tensor.is_floating_point():
                mean[name] += (tensor - mean[name]) / count
    return mean

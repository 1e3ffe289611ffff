"""Reorders and joins nested values whose tensors all have a row per hypothesis, whatever they mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

Value = TypeVar("Value")


def take_rows(value: Value, rows: Tensor) -> Value:
    """Return `value` with dimension 0 of every tensor indexed by `rows` [M], also inside dataclasses and tuples."""
    return map_tensors(value, lambda tensor: tensor.index_select(0, rows))


def stack_steps(steps: Sequence[Value]) -> Value:
    """Return T values of the same form as one, in which every tensor [N, ...] is stacked to [N, T, ...]."""
    return _joined(list(steps), lambda tensors: torch.stack(tensors, 1))


def map_tensors(value: Value, change: Callable[[Tensor], Tensor]) -> Value:
    """Return `value` with every tensor in it changed; anything but a tensor, tuple or dataclass stays as it is."""
    return _joined([value], lambda tensors: change(tensors[0]))


def _joined(values: list[Value], join: Callable[[list[Tensor]], Tensor]) -> Value:
    return _join(values, join)  # type: ignore[no-any-return]


def _join(values: list[Any], join: Callable[[list[Tensor]], Tensor]) -> Any:
    first = values[0]
    if isinstance(first, Tensor):
        return join(values)
    if isinstance(first, tuple):
        return tuple(_join(list(items), join) for items in zip(*values, strict=True))
    if not dataclasses.is_dataclass(first) or isinstance(first, type):
        return first
    names = [field.name for field in dataclasses.fields(first)]
    return dataclasses.replace(
        first, **{name: _join([getattr(value, name) for value in values], join) for name in names}
    )

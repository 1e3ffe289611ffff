"""Reorders everything a search carries, one row a hypothesis."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from torch import Tensor

Value = TypeVar("Value")


def take_rows(value: Value, rows: Tensor) -> Value:
    """Return `value` with dimension 0 of every tensor in it indexed by `rows` [M]; dataclasses and tuples recurse."""
    return _take(value, rows)  # type: ignore[no-any-return]


def _take(value: Any, rows: Tensor) -> Any:
    if isinstance(value, Tensor):
        return value.index_select(0, rows)
    if isinstance(value, tuple):
        return tuple(_take(item, rows) for item in value)
    if value is None or isinstance(value, int):
        return value
    fields = {field.name: _take(getattr(value, field.name), rows) for field in dataclasses.fields(value)}
    return dataclasses.replace(value, **fields)

"""Reads several sources at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from attncli.data.columns import Packed, Reader, Value
from attncli.data.packs import Packs, Shared
from attncli.errors import DataError

_KEPT = 32
"""Values of each source that are kept for the next cells: tables often have the questions about an image together."""


class Read(NamedTuple):
    """The value of a source, and its cell."""

    cell: str
    value: Any


class JointReader(Reader[Mapping[str, Read]]):
    """Reads each source with the reader of its name; rows of a batch that name the same one share its value."""

    def __init__(self, readers: Mapping[str, Reader[Any]]):
        self.readers = readers
        self.ahead = min(reader.ahead for reader in readers.values())
        self.on_threads = any(reader.on_threads for reader in readers.values())
        self._kept: dict[str, OrderedDict[str, Any]] = {name: OrderedDict() for name in readers}

    def read(self, cell: Mapping[str, str], *, seed: Sequence[int] | None = None) -> Mapping[str, Read]:
        """Return the values of the sources in `cell`; a DataError names the one that cannot be read."""
        return {name: Read(cell[name], self._value(name, cell[name], seed)) for name in self.readers}

    def _value(self, name: str, cell: str, seed: Sequence[int] | None) -> Any:
        if seed is not None:
            return self._fresh(name, cell, seed)
        kept = self._kept[name]
        value = kept.get(cell)  # at once, since another thread may drop it
        if value is None:
            value = kept[cell] = self._fresh(name, cell, None)
        while len(kept) > _KEPT:
            kept.popitem(last=False)
        return value

    def _fresh(self, name: str, cell: str, seed: Sequence[int] | None) -> Any:
        reader = self.readers[name]
        try:
            value = reader.read(cell, seed=seed)
        except DataError as error:
            raise DataError(f"{name}: {error}") from None
        if not reader.length(value):
            raise DataError(f"{name}: is empty")
        return value

    def pack(self, items: Sequence[Mapping[str, Read]]) -> Packed:
        """Return `items` packed for each encoder."""
        return Packs(tuple(_packed(reader, [item[name] for item in items]) for name, reader in self.readers.items()))

    def length(self, item: Mapping[str, Read]) -> int:
        """Return the number of positions of all sources."""
        return sum(reader.length(item[name].value) for name, reader in self.readers.items())

    def parts(self, cell: Mapping[str, str], item: Mapping[str, Read]) -> Mapping[str, Value]:
        """Return each source with its reader."""
        return {name: Value(reader, *item[name]) for name, reader in self.readers.items()}


def _packed(reader: Reader[Any], items: Sequence[Read]) -> Packed:
    """Return `items` as one batch, in which equal sources are one value."""
    first = {read.cell: read.value for read in items}
    if len(first) == len(items):
        return reader.pack([read.value for read in items])
    places = {cell: at for at, cell in enumerate(first)}
    return Shared(reader.pack(list(first.values())), torch.tensor([places[read.cell] for read in items]))

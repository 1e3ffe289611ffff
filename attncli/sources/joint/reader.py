"""Reads several sources at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attncli.data.columns import Packed, Reader, Value
from attncli.data.packs import Packs
from attncli.errors import DataError

Values = Mapping[str, Any]
"""Values by the names of their sources."""


class JointReader(Reader[Values]):
    """Reads each source with the reader of its name."""

    def __init__(self, readers: Mapping[str, Reader[Any]]):
        self.readers = readers
        self.ahead = min(reader.ahead for reader in readers.values())
        self.on_threads = any(reader.on_threads for reader in readers.values())

    def read(self, cell: Mapping[str, str], *, seed: Sequence[int] | None = None) -> Values:
        """Return the values of the sources in `cell`; a DataError names the one that cannot be read."""
        return {name: self._read(name, cell[name], seed) for name in self.readers}

    def _read(self, name: str, cell: str, seed: Sequence[int] | None) -> Any:
        reader = self.readers[name]
        try:
            value = reader.read(cell, seed=seed)
        except DataError as error:
            raise DataError(f"{name}: {error}") from None
        if not reader.length(value):
            raise DataError(f"{name}: is empty")
        return value

    def pack(self, items: Sequence[Values]) -> Packed:
        """Return `items` packed for each encoder."""
        return Packs(tuple(reader.pack([item[name] for item in items]) for name, reader in self.readers.items()))

    def length(self, item: Values) -> int:
        """Return the number of positions of all sources."""
        return sum(reader.length(item[name]) for name, reader in self.readers.items())

    def parts(self, cell: Mapping[str, str], item: Values) -> Mapping[str, Value]:
        """Return each source with its reader."""
        return {name: Value(reader, cell[name], item[name]) for name, reader in self.readers.items()}

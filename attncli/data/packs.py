"""Values packed for several encoders: the same in several forms, or different ones that belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from attncli.data.columns import Array, Packed, Places, Reader, Value
from attncli.text.copies import Vocabulary
from attncli.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Packs:
    """One batch of values, packed for each encoder."""

    members: tuple[Packed, ...]

    @property
    def size(self) -> int:
        """What the values add to the reported size of a batch: the tokens that all encoders take."""
        return sum(member.size for member in self.members)

    def __len__(self) -> int:
        return len(self.members[0])

    def to(self, device: torch.device) -> Packs:
        """Return the same on `device`."""
        return Packs(tuple(member.to(device) for member in self.members))


@dataclass(frozen=True)
class Shared:
    """Values packed once that several rows of a batch share, as the questions about an image share the image."""

    values: Packed
    value_of: torch.Tensor  # [B], the value of each row

    @property
    def size(self) -> int:
        """What the values add to the reported size of a batch."""
        return self.values.size

    def __len__(self) -> int:
        return len(self.value_of)

    def to(self, device: torch.device) -> Shared:
        """Return the same on `device`."""
        return Shared(self.values.to(device), self.value_of.to(device))


class EnsembleReader(Reader[tuple[Any, ...]]):
    """Reads each value once for every model of an ensemble; positions and words are those of the first."""

    def __init__(self, readers: Sequence[Reader[Any]]):
        self.readers = tuple(readers)
        self.ahead = min(reader.ahead for reader in readers)
        self.on_threads = any(reader.on_threads for reader in readers)

    def read(self, cell: Any, *, seed: Sequence[int] | None = None) -> tuple[Any, ...]:
        """Return the value of `cell` in every form; a DataError of any reader is raised."""
        return tuple(reader.read(cell, seed=seed) for reader in self.readers)

    def pack(self, items: Sequence[tuple[Any, ...]]) -> Packs:
        """Return `items` packed for each encoder."""
        forms = zip(*items, strict=True)
        return Packs(tuple(reader.pack(form) for reader, form in zip(self.readers, forms, strict=True)))

    def length(self, item: tuple[Any, ...]) -> int:
        """Return the number of positions of `item`."""
        return self.readers[0].length(item[0])

    def ids(self, item: tuple[Any, ...]) -> Array:
        """Return the ids of the tokens of `item`."""
        return self.readers[0].ids(item[0])

    def places(self, item: tuple[Any, ...]) -> Places:
        """Return what the positions of `item` are called."""
        return self.readers[0].places(item[0])

    def words(self, cell: Any, item: tuple[Any, ...]) -> Sequence[str]:
        """Return a word for each position."""
        return self.readers[0].words(cell, item[0])

    def vocabulary(self, cell: Any, item: tuple[Any, ...], tokenizer: Tokenizer) -> Vocabulary:
        """Return what can be written for `cell`."""
        return self.readers[0].vocabulary(cell, item[0], tokenizer)

    def parts(self, cell: Any, item: tuple[Any, ...]) -> Mapping[str, Value]:
        """Return the sources that `cell` is made of."""
        return self.readers[0].parts(cell, item[0])

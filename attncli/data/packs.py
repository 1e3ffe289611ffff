"""The same values in several forms, each as one of several encoders takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from attncli.data.columns import Packed, Places, Reader
from attncli.text.copies import Vocabulary
from attncli.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Packs:
    """One batch of values, packed for each encoder."""

    members: tuple[Packed, ...]

    @property
    def size(self) -> int:
        """What the values add to the reported size of a batch: the tokens that the first encoder takes."""
        return self.members[0].size

    def __len__(self) -> int:
        return len(self.members[0])

    def to(self, device: torch.device) -> Packs:
        """Return the same on `device`."""
        return Packs(tuple(member.to(device) for member in self.members))


class JointReader(Reader[tuple[Any, ...]]):
    """Reads each value once with every one of several readers; positions and words are those of the first."""

    def __init__(self, readers: Sequence[Reader[Any]]):
        self.readers = tuple(readers)
        self.ahead = min(reader.ahead for reader in readers)
        self.on_threads = any(reader.on_threads for reader in readers)

    def read(self, cell: str, *, seed: Sequence[int] | None = None) -> tuple[Any, ...]:
        """Return the value of `cell` in every form; a DataError of any reader is raised."""
        return tuple(reader.read(cell, seed=seed) for reader in self.readers)

    def pack(self, items: Sequence[tuple[Any, ...]]) -> Packs:
        """Return `items` packed for each encoder."""
        forms = zip(*items, strict=True)
        return Packs(tuple(reader.pack(form) for reader, form in zip(self.readers, forms, strict=True)))

    def length(self, item: tuple[Any, ...]) -> int:
        """Return the number of positions of `item`."""
        return self.readers[0].length(item[0])

    def places(self, item: tuple[Any, ...]) -> Places:
        """Return what the positions of `item` are called."""
        return self.readers[0].places(item[0])

    def words(self, cell: str, item: tuple[Any, ...]) -> Sequence[str]:
        """Return a word for each position."""
        return self.readers[0].words(cell, item[0])

    def vocabulary(self, cell: str, item: tuple[Any, ...], tokenizer: Tokenizer) -> Vocabulary:
        """Return what can be written for `cell`."""
        return self.readers[0].vocabulary(cell, item[0], tokenizer)

"""A reader of the sources of a batch that is given, and a tokenizer of numbers: what a writer needs besides a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from attncli.data.columns import Reader
from attncli.models.rows import take_rows
from attncli.text.tokenizer import EOS


class Numbers:
    """Writes tokens as their numbers."""

    end = (EOS,)
    size = 7  # no more than any vocabulary has

    def encode(self, text: str) -> list[int]:
        return [int(number) for number in text.split()]

    def tokens(self, ids: Sequence[int]) -> list[str]:
        return [str(number) for number in ids]

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(self.tokens(ids))


class Given(Reader[int]):
    """Reads the sources of one batch, which are named by their numbers."""

    ahead = 3

    def __init__(self, batch: Any):
        self.batch = batch

    def read(self, cell: str, *, seed: Sequence[int] | None = None) -> int:
        return int(cell)

    def pack(self, items: Sequence[int]) -> Any:
        return take_rows(self.batch, torch.tensor(items))

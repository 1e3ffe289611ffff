"""Columns that a reader reads, alone and on threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from attncli.data.columns import Places, ReadColumn, Reader
from attncli.errors import DataError

CELLS = ["a", "b", "bad", "c"]


@dataclass(frozen=True)
class Words:
    words: tuple[str, ...]

    @property
    def size(self) -> int:
        return 0

    def __len__(self) -> int:
        return len(self.words)

    def to(self, device: torch.device) -> Words:
        return self


class WordReader(Reader[str]):
    """Reads a cell as itself with its seed."""

    def read(self, cell: str, *, seed: Sequence[int] | None = None) -> str:
        if cell == "bad":
            raise DataError("bad: no word")
        return cell if seed is None else f"{cell}{list(seed)}"

    def pack(self, items: Sequence[str]) -> Words:
        return Words(tuple(items))


@pytest.fixture(params=[0, 2], ids=["alone", "threads"])
def column(request: pytest.FixtureRequest) -> Iterator[ReadColumn[str]]:
    lengths = np.array([1, 2, 3, 4], np.int32)
    if not request.param:
        yield ReadColumn(CELLS, lengths, WordReader(), None)
        return
    with ThreadPoolExecutor(request.param) as pool:
        yield ReadColumn(CELLS, lengths, WordReader(), pool)


def test_values_are_read_in_the_order_asked_for(column: ReadColumn[str]) -> None:
    assert column.lengths.tolist() == [1, 2, 3, 4]
    assert column.start(np.array([3, 0, 1, 0]), None)() == Words(("c", "a", "b", "a"))


def test_each_value_is_varied_by_its_own_seed(column: ReadColumn[str]) -> None:
    found = column.start(np.array([1, 0, 1]), [(4, 1), (4, 2), (4, 3)])()
    assert found == Words(("b[4, 1]", "a[4, 2]", "b[4, 3]"))


def test_what_cannot_be_read_is_told_when_it_is_waited_for(column: ReadColumn[str]) -> None:
    wait = column.start(np.array([0, 2]), None)
    with pytest.raises(DataError, match="bad: no word"):
        wait()


def test_a_value_without_more_said_is_one_position_with_no_words() -> None:
    reader = WordReader()
    assert (reader.ahead, reader.on_threads) == (1, False)
    assert (reader.length("a"), reader.places("a"), list(reader.words("a", "a"))) == (1, Places(None, None), [])

"""Several sources are read by the readers of their names."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from attncli.data.columns import Places, Reader
from attncli.data.direction import Backwards, is_backwards
from attncli.data.packs import EnsembleReader, Packs
from attncli.errors import DataError
from attncli.sources.joint.reader import JointReader


class Letters(Reader[str]):
    """Reads text without some letter; a position is a letter."""

    def __init__(self, without: str, *, ahead: int = 1, on_threads: bool = False):
        self.without, self.ahead, self.on_threads = without, ahead, on_threads

    def read(self, cell: str, *, seed: Sequence[int] | None = None) -> str:
        if self.without in cell:
            raise DataError(f"{cell}: has {self.without}")
        return cell + "".join(map(str, seed or ()))

    def pack(self, items: Sequence[str]) -> list[str]:  # type: ignore[override]
        return list(items)

    def length(self, item: str) -> int:
        return len(item)

    def places(self, item: str) -> Places:
        return Places(tokens=tuple(item))


READER = JointReader({"image": Letters("x", ahead=7, on_threads=True), "question": Letters("y", ahead=3)})


def test_each_source_is_read_by_its_own_reader() -> None:
    first = READER.read({"question": "ax", "image": "by"})
    assert first == {"image": ("by", "by"), "question": ("ax", "ax")}
    assert READER.length(first) == 4
    second = READER.read({"question": "b", "image": "abc"}, seed=(1, 2))
    assert second == {"image": ("abc", "abc12"), "question": ("b", "b12")}
    assert READER.pack([first, second]) == Packs((["by", "abc12"], ["ax", "b12"]))  # type: ignore[arg-type]


def test_rows_that_name_the_same_value_share_it() -> None:
    cells = [{"image": image, "question": question} for image, question in ("ab", "cd", "ae", "ad")]
    image, question = READER.pack([READER.read(cell) for cell in cells]).members  # type: ignore[attr-defined]
    assert (image.values, image.value_of.tolist(), len(image)) == (["a", "c"], [0, 1, 0, 0], 4)
    assert (question.values, question.value_of.tolist()) == (["b", "d", "e"], [0, 1, 2, 1])


class Noting(Letters):
    """Notes what it reads."""

    def __init__(self) -> None:
        super().__init__("x")
        self.noted: list[str] = []

    def read(self, cell: str, *, seed: Sequence[int] | None = None) -> str:
        self.noted.append(cell)
        return cell


def test_a_value_is_read_again_only_when_many_others_came_between() -> None:
    plain = Noting()
    reader = JointReader({"image": plain})
    for number in (1, 2, 1, *range(3, 40), 1):
        reader.read({"image": str(number)})
    assert plain.noted == [*map(str, [1, 2, *range(3, 40)]), "1"]
    reader.read({"image": "1"}, seed=(1,))
    assert len(plain.noted) == 41


def test_it_reads_no_further_ahead_than_any_of_them_and_on_threads_if_one_does() -> None:
    assert (READER.ahead, READER.on_threads) == (3, True)


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ({"image": "x", "question": "a"}, "image: x: has x"),
        ({"image": "a", "question": "ay"}, "question: ay: has y"),
        ({"image": "a", "question": ""}, "question: is empty"),
    ],
)
def test_what_cannot_be_read_is_named(cell: dict[str, str], problem: str) -> None:
    with pytest.raises(DataError) as caught:
        READER.read(cell)
    assert str(caught.value) == problem


def test_its_parts_are_the_sources_with_their_places() -> None:
    cell = {"image": "ab", "question": "cde"}
    for reader, item in (
        (READER, READER.read(cell)),
        (EnsembleReader([READER, READER]), EnsembleReader([READER, READER]).read(cell)),
    ):
        parts = reader.parts(cell, item)  # type: ignore[arg-type]
        assert {name: (part.cell, part.item) for name, part in parts.items()} == {
            "image": ("ab", "ab"),
            "question": ("cde", "cde"),
        }
        assert parts["question"].places.tokens == ("c", "d", "e")
    assert Letters("x").parts("a", "a") == {}


class Turning(Letters):
    """Reads backwards what is played backwards."""

    def read(self, cell: str, *, seed: Sequence[int] | None = None) -> str:
        return cell[::-1] if is_backwards(cell) else str(cell)


def test_a_film_and_the_same_backwards_share_no_value() -> None:
    reader = JointReader({"film": Turning("x"), "question": Letters("y")})
    cells = [{"film": film, "question": "q"} for film in ("abc", Backwards("abc"), "abc")]
    film, question = reader.pack([reader.read(cell) for cell in cells]).members  # type: ignore[attr-defined]
    assert (film.values, film.value_of.tolist()) == (["abc", "cba"], [0, 1, 0])
    assert question.value_of.tolist() == [0, 0, 0]

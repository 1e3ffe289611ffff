"""A cell that is played backwards is another than its path, but for those who open the file."""

from __future__ import annotations

import operator
import pickle
from pathlib import Path

from attncli.data.direction import Backwards, is_backwards, mark_of, turned


def test_a_film_backwards_is_another_cell_than_the_film() -> None:
    film = Backwards("a/film.webp")
    assert film == Backwards("a/film.webp")
    assert operator.ne(film, Backwards("a/film.webp")) is False, "str has a != of its own"
    for one, other in ((film, "a/film.webp"), ("a/film.webp", film), (film, Backwards("b"))):
        assert operator.ne(one, other) is True
        assert operator.eq(one, other) is False
    assert len({film, "a/film.webp", Backwards("a/film.webp")}) == 2
    assert {"a/film.webp": 1}.get(film) is None
    of_film: dict[str, int] = {film: 1}
    assert of_film.get("a/film.webp") is None


def test_the_file_of_a_film_backwards_is_that_of_the_film() -> None:
    assert Path(Backwards("a/film.webp")) == Path("a/film.webp")
    assert f"{Backwards('a/film.webp')}" == "a/film.webp"
    assert type(str(Backwards("a"))) is str


def test_a_film_turned_twice_is_the_film() -> None:
    assert is_backwards(turned("a"))
    assert not is_backwards(turned(turned("a")))
    assert turned(turned("a")) == "a"
    assert (mark_of("a"), mark_of(turned("a"))) == ("", " (backwards)")


def test_the_direction_reaches_another_process() -> None:
    cell = {"film": Backwards("a"), "sound": "b"}
    found = pickle.loads(pickle.dumps(cell))
    assert found == cell
    assert [is_backwards(each) for each in found.values()] == [True, False]

"""Gold places are read line by line, and what does not fit the test set is told with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from attncli.data.gold_places import GoldPlace, read_gold_places
from attncli.errors import DataError

SOURCES = ("a.png", "b.png", "c.png")
TARGETS = ("a red star", "two", "a dog runs fast")
GOOD = (
    '{"source": "a.png", "places": [{"words": [1, 2], "box": [0.1, 0.2, 0.5, 1]}]}\n'
    '{"places": []}\n'
    '{"places": [{"words": [0], "box": [0, 0, 0.5, 0.25]}, {"words": [3], "box": [0.5, 0, 1, 1.0]}]}\n'
)


def read(path: Path, text: str) -> tuple[tuple[GoldPlace, ...], ...]:
    (path / "places.jsonl").write_text(text)
    return read_gold_places(path / "places.jsonl", sources=SOURCES, targets=TARGETS, noun="image")


def test_a_line_has_the_places_of_a_source(tmp_path: Path) -> None:
    first, second, third = read(tmp_path, GOOD)
    assert [(place.kind, place.words, place.box) for place in first] == [("box", (1, 2), (0.1, 0.2, 0.5, 1.0))]
    assert (second, [place.words for place in third]) == ((), [(0,), (3,)])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"places": [', "not JSON"),
        ('{"place": []}', "places: field required; place: extra inputs are not permitted"),
        ('{"places": [{"words": [], "box": [0, 0, 1, 1]}]}', "places.0.words: tuple should have at least 1 item"),
        ('{"places": [{"words": [-1], "box": [0, 0, 1, 1]}]}', "places.0.words.0: input should be greater than or"),
        ('{"places": [{"words": [0], "box": [0, 0, 1.5, 1]}]}', "places.0.box.2: input should be less than or equal"),
        ('{"places": [{"words": [0], "box": [0, 0, NaN, 1]}]}', "places.0.box.2: input should be a finite number"),
        (
            '{"places": [{"words": [0], "box": [0.5, 0, 0.5, 1]}]}',
            "places.0: box: is empty; it should be left, top, right, bottom",
        ),
        ('{"places": [{"words": [0], "seconds": [2, 1.5]}]}', "places.0: seconds: is empty; it should be start, end"),
        ('{"places": [{"words": [0], "seconds": [-1, 1]}]}', "places.0.seconds.0: input should be greater than or"),
        ('{"places": [{"words": [0], "source_words": []}]}', "places.0.source_words: tuple should have at least 1"),
        ('{"places": [{"words": [0]}]}', "places.0: needs one of box, seconds, source_words"),
        (
            '{"places": [{"words": [0], "source_words": [1], "seconds": [0, 1]}]}',
            "places.0: needs one of box, seconds, source_words",
        ),
        (
            '{"source": "d.png", "places": []}',
            "is about 'd.png', but this image of the test set is 'b.png'",
        ),
        (
            '{"places": [{"words": [0, 1], "box": [0, 0, 1, 1]}]}',
            "word 1, counted from 0, but the target 'two' has 1 word",
        ),
    ],
)
def test_a_wrong_line_is_told(tmp_path: Path, line: str, problem: str) -> None:
    first, _, third = GOOD.splitlines()
    with pytest.raises(DataError) as caught:
        read(tmp_path, f"{first}\n{line}\n{third}\n")
    assert str(caught.value).startswith(f"{tmp_path}/places.jsonl:2: {problem}")


def test_every_wrong_line_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?s):1: .*\n.*:3: "):
        read(tmp_path, GOOD.replace("[1, 2]", "[1, 3]").replace("[3]", "[4]"))


@pytest.mark.parametrize(("lines", "said"), [(2, "2 lines"), (1, "1 line"), (4, "4 lines")])
def test_a_line_too_few_or_too_many_is_told(tmp_path: Path, lines: int, said: str) -> None:
    with pytest.raises(DataError) as caught:
        read(
            tmp_path, "".join((GOOD.splitlines(keepends=True) * 2)[:lines]).replace('"source": "a.png", ', "")[: 10**6]
        )
    assert str(caught.value) == f"{tmp_path}/places.jsonl: {said}, but the test set has 3 images"


def test_a_file_without_a_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, '{"places": []}\n' * 3)
    assert str(caught.value) == f"{tmp_path}/places.jsonl: holds no places"

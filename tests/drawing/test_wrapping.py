"""Text broken into lines."""

from __future__ import annotations

import pytest

from attncli.drawing.fonts import DEFAULT
from attncli.drawing.wrapping import measure_of, wrapped


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a dog runs", ["a dog", "runs"]),
        ("dogs", ["dogs"]),
        ("a snowboarder on", ["a", "snowbo", "arder", "on"]),
        ("一二三四五六七八", ["一二三四五六", "七八"]),
        ("", [""]),
        ("a scaled_dot-seed/3", ["a", "scaled", "_dot-", "seed/3"]),
        ("a no\u00a0break b", ["a", "no\u00a0bre", "ak b"]),
    ],
)
def test_lines_break_at_spaces_and_within_words_that_are_too_wide(text: str, lines: list[str]) -> None:
    assert wrapped(text, 6, len) == lines


def test_a_text_is_as_wide_as_its_letters() -> None:
    measure = measure_of([DEFAULT], 10)
    assert measure("mm") == pytest.approx(2 * measure("m"), rel=0.1)
    assert measure_of([DEFAULT], 30)("mm") == pytest.approx(3 * measure("mm"), rel=0.1)
    assert 0.1 < measure("m") < 0.2, "an em of 10 points is 10 / 72 inches"

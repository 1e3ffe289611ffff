"""What is no sentence, whatever file it comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from attncli.config.data import ParallelFiles
from attncli.data.forms.pairs import PairReader
from attncli.data.forms.text import problem_of
from attncli.errors import DataError


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ein Hund", None),
        ("x" * 10_000 + " " + "y" * 10_000, None),
        (("x" * 9_999 + " ") * 500, None),  # within a moment
        ("a " + "x" * 10_001, "holds a word of 10,001 characters; at most 10,000"),
        ("\u0301" * 10_001, "holds a word of 10,001 characters; at most 10,000"),
        ("x" * 10_000_000, "holds a word of 10,000,000 characters; at most 10,000"),
        ("a\0", "holds the character U+0000; not text"),
    ],
)
def test_what_cannot_be_learned_from_is_told(text: str, problem: str | None) -> None:
    assert problem_of(text) == problem


def test_a_pair_with_an_endless_word_is_named_or_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.de").write_text("ein Hund\n" + "x" * 20_000 + "\n")
    (tmp_path / "a.en").write_text("a dog\na cat\n")
    pairs = ParallelFiles(source="a.de", target="a.en")
    with pytest.raises(DataError, match=r"a\.de:2: the source holds a word of 20,000 characters; at most 10,000"):
        list(PairReader(pairs, tmp_path))
    reader = PairReader(pairs, tmp_path, bad_lines="skip")
    assert [example.cell for example in reader] == ["ein Hund"]
    assert reader.skipped.total() == 1

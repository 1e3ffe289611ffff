"""Notes on text that looks tokenised."""

from __future__ import annotations

import pytest

from attncli.metrics.tokenised import tokenised_note


@pytest.mark.parametrize(
    "line",
    [
        "A dog runs .",
        "First , a dog runs.",
        "It does n't run.",
        "It 's a dog.",
        "A snow@@ board",
        "a well @-@ known dog",
    ],
)
def test_marks_of_tokenisers_are_noticed(line: str) -> None:
    note = tokenised_note("references", [line, "A dog runs."])
    assert note is not None
    assert note.startswith("references: 1 of 2 lines look tokenised (such as ")
    assert note.endswith("sacreBLEU expects raw text, so these scores do not compare with others")


@pytest.mark.parametrize(
    "line", ["A dog runs.", "Où est le chien ?", "« Voilà : un chien ! »", "It isn't the dog's.", "3.5, or .5", ""]
)
def test_raw_text_is_not_suspected(line: str) -> None:
    assert tokenised_note("references", [line] * 3) is None


def test_a_line_in_twenty_is_let_pass() -> None:
    assert tokenised_note("references", ["A dog runs ."] + ["A dog runs."] * 19) is None


def test_note_shows_an_example() -> None:
    note = tokenised_note("hypotheses of none", ["A man is walking over the wet street ."])
    assert note is not None
    assert "(such as 'over the wet street .')" in note

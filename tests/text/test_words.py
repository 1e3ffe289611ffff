from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attncli.text.words import join_words, split_words


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a cat sleeps", ["a", "cat", "sleeps"]),
        ("Hi, you.", ["Hi", "￭,", "you", "￭."]),
        ('"Hi," she said.', ['"￭', "Hi", "￭,", '￭"', "she", "said", "￭."]),
        ("don't", ["don", "￭'￭", "t"]),
        ("3.5 km", ["3", "￭.￭", "5", "km"]),
        ("U.S.", ["U", "￭.￭", "S", "￭."]),
        ("one - two -- three", ["one", "-", "two", "-", "￭-", "three"]),
        ("état-major", ["état", "￭-￭", "major"]),
        ("«\u00a0oui\u00a0»", ["«", "￭\u00a0￭", "oui", "￭\u00a0", "￭»"]),
        ("किताब।", ["किताब", "￭।"]),
    ],
)
def test_punctuation_is_split_off_and_marked_where_it_touched(text: str, tokens: list[str]) -> None:
    assert split_words(text) == tokens
    assert join_words(tokens) == text


@settings(deadline=None)
@given(st.text(alphabet=st.characters(exclude_characters="￭▁\0", exclude_categories=["Cs"])))
def test_any_text_comes_back_with_runs_of_spaces_as_one(text: str) -> None:
    assert join_words(split_words(text)) == " ".join(part for part in text.split(" ") if part)


def test_a_word_is_the_same_token_wherever_it_stands() -> None:
    assert all("cat" in split_words(text) for text in ("cat", '"cat"', "(cat)", "cat-like", "the cat's"))


def test_the_marks_themselves_become_replacement_characters() -> None:
    assert join_words(split_words("a￭b▁c")) == "a\ufffdb\ufffdc"

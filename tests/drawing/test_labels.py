"""Tokens as labels."""

from __future__ import annotations

import pytest

from attncli.drawing.labels import readable


@pytest.mark.parametrize(
    ("tokens", "labels"),
    [
        ("▁Ein ▁Snow board er . </s>", ["Ein", "Snow", "·board", "·er", ".", "</s>"]),
        ("▁19 84 ▁( a )", ["19", "·84", "(", "a", ")"]),
        ("▁我们 喜欢 。 </s>", ["我们", "喜欢", "。", "</s>"]),
        ("A dog ￭. (￭ x </s>", ["A", "dog", ".", "(", "x", "</s>"]),
        ("▁ a b ▁ c </s>", ["␣", "a", "b", "␣", "c", "</s>"]),
        ("▁of▁the <unk> ing", ["of the", "<unk>", "ing"]),
        ("\x1b[2J \udcff a\tb", ["\\x1b[2J", "\\udcff", "a\\tb"]),
    ],
    ids=["pieces", "digits", "no_case", "words", "characters", "space_inside", "hostile"],
)
def test_labels_read_well(tokens: str, labels: list[str]) -> None:
    assert readable(tokens.split(" ")) == labels


def test_every_token_has_a_label() -> None:
    tokens = ["▁", "", "▁a", "\n", "b\tc", "</s>"]
    assert len(readable(tokens)) == 6
    assert not any(character in label for label in readable(tokens) for character in "\n\t")

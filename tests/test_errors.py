"""What a message shows of names that a stranger chose."""

import json

import pytest

from attncli.errors import escaped, escaped_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 猫.png", "plain ü 猫.png"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\tb\nc\r", "a\\tb\\nc\\r"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\udcff.png", "\\udcff.png"),
        ("\x9b\x7f\u2028\ufeff", "\\x9b\\x7f\\u2028\\ufeff"),
        ("👩\u200d💻", "👩\u200d💻"),
    ],
)
def test_what_a_terminal_might_obey_is_shown_as_escapes(text: str, shown: str) -> None:
    assert escaped(text) == shown
    assert escaped(text).isprintable() or "\u200d" in text


def test_characters_may_be_kept() -> None:
    assert escaped("a\nb\tc", keep="\n") == "a\nb\\tc"


def test_json_keeps_its_values_and_is_utf_8() -> None:
    values = {"path": "a\x1b[2J\udcff\n\x7f\u202e\U000e0001", "text": ["猫 ä 👩\u200d💻"]}
    text = escaped_json(json.dumps(values, ensure_ascii=False, indent=2) + "\n")
    assert text.encode()
    assert json.loads(text) == values
    assert "猫 ä 👩\u200d💻" in text
    assert not set(text) & set("\x1b\x7f\u202e\U000e0001")
    assert text.count("\n") == 6

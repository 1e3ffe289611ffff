"""What a message shows of names that a stranger chose."""

import json

import pytest
from attack import attack_settings
from hypothesis import given
from hypothesis import strategies as st

from attncli.errors import ConfigError, DataError, Problems, escaped, escaped_json, shortened, unknown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 猫.png", "plain ü 猫.png"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\tb\nc\r", "a\\tb\\nc\\r"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\udcff.png", "\\udcff.png"),
        ("\x9b\x7f\u2028\ufeff", "\\x9b\\x7f\\u2028\\ufeff"),
        ("\ufffe\uffff", "\\ufffe\\uffff"),
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


def test_a_name_stays_within_its_line() -> None:
    error = DataError("a\nb.de: no such file", "c: \x1b[2J")
    assert str(error) == "a\\nb.de: no such file\nc: \\x1b[2J"
    problems = Problems()
    problems.add("a\nb: empty")
    with pytest.raises(DataError, match=r"^a\\nb: empty\nmend it$"):
        problems.raise_if_any("mend it")


def test_problems_beyond_those_told_are_counted() -> None:
    assert str(ConfigError(["a: one", "b: two"])) == "a: one\nb: two"
    error = ConfigError(["a: one"], left_out=4321)
    assert (str(error), error.problems) == ("a: one\n... and 4,321 more problems", ("a: one",))


def test_what_is_long_is_quoted_by_its_beginning() -> None:
    assert shortened("x" * 80) == "x" * 80
    assert shortened("x" * 81) == "x" * 77 + "..."
    assert unknown("key", "x" * 5000, ["a"]) == f"unknown key '{'x' * 77}...'; choose from a"


@pytest.mark.attack
@attack_settings(200)
@given(st.text(st.characters() | st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"])))
def test_any_text_can_be_printed_and_any_json_keeps_it(text: str) -> None:
    escaped(text).encode()  # raises nothing
    assert not set("\x1b\n\u202e\u2028") & set(escaped(text))
    found = escaped_json(json.dumps([text], ensure_ascii=False))
    found.encode()
    # Two halves of a character stand for it in JSON.
    assert json.loads(found) == json.loads(json.dumps([text]))

"""YAML 1.2's core schema, example by example: https://yaml.org/spec/1.2.2/#103-core-schema."""

from __future__ import annotations

import math
from typing import Any

import pytest

from attncli.config.yaml_core import parse_yaml
from attncli.errors import ConfigError

BOMB = "a: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"b{at}: &a{at + 1} [{', '.join([f'*a{at}'] * 9)}]\n" for at in range(8)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(text, True) for text in ("true", "True", "TRUE")],
        *[(text, False) for text in ("false", "False", "FALSE")],
        *[(text, None) for text in ("null", "Null", "NULL", "~", "")],
        *[(text, text) for text in ("no", "No", "yes", "on", "off", "y", "n", "nO", "truE", "nuLL")],
        *[("7", 7), ("+7", 7), ("-7", -7), ("010", 10), ("-08", -8), ("0o14", 12), ("0xfF", 255), ("0", 0)],
        *[(text, text) for text in ("1_000", "0b11", "1:30", "-0x1", "0o8", "12a", "+", "2001-01-01")],
        *[("1e-3", 0.001), ("1E+2", 100.0), ("-1e3", -1000.0), ("1.", 1.0), (".5", 0.5), ("-.5e1", -5.0), ("0.", 0.0)],
        *[(".inf", math.inf), ("-.Inf", -math.inf), ("+.INF", math.inf)],
        *[(text, text) for text in (".", "1e", "e3", "1.2.3", ".infinity", "1e3.5", "=", "<<")],
        *[("'1e-3'", "1e-3"), ('"no"', "no"), ("'010'", "010"), ("!!str 3", "3"), ("!!float 3", 3.0)],
    ],
)
def test_plain_text_is_read_by_the_core_schema(text: str, value: Any) -> None:
    found = parse_yaml(f"key: {text}\n", where="x")["key"]
    assert (type(found), found) == (type(value), value)


def test_not_a_number_is_read() -> None:
    assert all(math.isnan(value) for value in parse_yaml("[.nan, .NaN, .NAN]", where="x"))


def test_keys_are_text_as_it_is_written() -> None:
    text = "2016: 1\nno: 2\n1e-3: 3\n010: 4\ntrue: 5\n~: 6\n"
    assert parse_yaml(text, where="x") == {"2016": 1, "no": 2, "1e-3": 3, "010": 4, "true": 5, "~": 6}


def test_aliases_stand_for_what_they_name() -> None:
    found = parse_yaml("a: &x {b: 1}\nc: *x\n", where="x")
    assert found == {"a": {"b": 1}, "c": {"b": 1}}
    assert found["a"] is not found["c"]


def test_two_halves_of_a_pair_are_one_character() -> None:
    assert parse_yaml('"\\ud83d\\ude00": "\\U0001f600"', where="x") == {"😀": "😀"}


def test_tags_of_the_core_schema_are_read() -> None:
    text = "[!!str 1, !!int 0x1f, !!float 3, !!bool True, !!null ~, !!map {a: !!seq [1]}, !<tag:yaml.org,2002:int> 3]"
    assert parse_yaml(text, where="x") == ["1", 31, 3.0, True, None, {"a": [1]}, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3: the key 'a' is there twice; keep one"),
        ("a:\n  b: 1\n  'b': 2\n", "f.yaml:3: the key 'b' is there twice; keep one"),
        ("a: 1\nb: {{ x }}\n", "f.yaml:2: a key must be text"),
        ("? [a, b]\n: 1\n", "f.yaml:1: a key must be text"),
        ("a: 1\nb: c: d\n", "f.yaml:2: mapping values are not allowed here"),
        (
            "a:\n\t- b\n",
            "f.yaml:2: while scanning for the next token, found character '\\t' that cannot start any token",
        ),
        ("a: [1, 2\n", "f.yaml:2: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: expected a single document in the stream, but found another document"),
        ("a: *b\n", "f.yaml:1: found undefined alias 'b'"),
        # Aliases that hold themselves, or that repeat a value a thousand million times.
        ("a: &a [*a]\n", "f.yaml:1: the alias is inside of what it stands for"),
        ("b: 1\na: &a {c: [1, {d: *a}]}\n", "f.yaml:2: the alias is inside of what it stands for"),
        (BOMB, "f.yaml:1: more than 100,000 values, aliases counted as often as they are used"),
        ("#" * 300_000, "f.yaml: over 256 KiB, so not a configuration"),
        # Depth.
        ("[" * 3000, "f.yaml:1: nested more than 50 levels deep"),
        ("{a: " * 60_000, "f.yaml:1: nested more than 50 levels deep"),
        ("- " * 2000, "f.yaml:1: nested more than 50 levels deep"),
        # Tags that are not of the core schema, or not of the value they stand before.
        *[
            (f"a: 1\nb: {tag} {value}\n", f"f.yaml:2: '{tag}' is not the tag of such a value; remove it")
            for tag, value in (
                ("!!python/object/apply:os.system", "['touch x']"),
                *(("!!binary", "aGk="), ("!!timestamp", "x"), ("!!timestamp", "2001-01-01"), ("!!set", "{a, b}")),
                *(("!!omap", "[a: 1]"), ("!!pairs", "x"), ("!!map", "[[a, b]]"), ("!!map", "x"), ("!!seq", "{a: 1}")),
                *(("!!int", "[1]"), ("!!int", "{a: 1}"), ("!!str", "[1]"), ("!!null", "[1]"), ("!own", "x")),
            )
        ],
        *[
            (f"a: {tag} {value}\n", f"f.yaml:1: '{value}' is not a value of the tag {tag}")
            for tag, value in (
                *(("!!bool", "maybe"), ("!!float", "x"), ("!!int", "x"), ("!!int", "1.5"), ("!!int", "1_0")),
                *(("!!null", "x"), ("!!int", "0x")),
            )
        ],
        *[
            (f"a: {tag} ''\n", f"f.yaml:1: '' is not a value of the tag {tag}")
            for tag in ("!!int", "!!float", "!!bool")
        ],
        ("a: " + "9" * 5000, "f.yaml:1: a number of 5,000 characters; at most 100"),
        ("a: 0x" + "f" * 5000, "f.yaml:1: a number of 5,002 characters; at most 100"),
        ("a: ." + "9" * 5000, "f.yaml:1: a number of 5,001 characters; at most 100"),
        # Characters that are none.
        ('a: "\\ud800"\n', "f.yaml:1: half of a surrogate pair, which is not a character"),
        ('a: 1\n"\\udc00\\ud800": 1\n', "f.yaml:2: half of a surrogate pair, which is not a character"),
        ('a: "\\U00110000"\n', "f.yaml: not YAML: chr() arg not in range(0x110000)"),
        ('a: "\\UFFFFFFFF"\n', "f.yaml: not YAML: Python int too large to convert to C int"),
        # Control characters reach no terminal.
        ('"\\e[31m": 1\n"\\e[31m": 2\n', "f.yaml:2: the key '\\x1b[31m' is there twice; keep one"),
        ("a: *b\u200b\n", "f.yaml:1: while scanning an alias, expected alphabetic or numeric character, but found"),
        (
            "a: \x07\n",
            "f.yaml: not YAML: unacceptable character #x0007: special characters are not allowed in "
            '"<unicode string>", position 3',
        ),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, where="f.yaml")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)

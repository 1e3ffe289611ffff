"""YAML 1.2's core schema, example by example: https://yaml.org/spec/1.2.2/#103-core-schema."""

from __future__ import annotations

import math
from typing import Any

import pytest

from attncli.config.yaml_core import parse_yaml
from attncli.errors import ConfigError


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
    assert parse_yaml("a: &x {b: 1}\nc: *x\n", where="x") == {"a": {"b": 1}, "c": {"b": 1}}


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
        ("a: &a [*a]\n", "f.yaml:1: found unconstructable recursive node"),
        (
            "a: !!python/object:os.system x\n",
            "f.yaml:1: could not determine a constructor for the tag 'tag:yaml.org,2002:python/object:os.system'",
        ),
        ("a: !!int x\n", "f.yaml: not YAML: invalid literal for int() with base 10: 'x'"),
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
    assert str(caught.value) == message

"""Whatever a file or `--set` says, it is read or refused with messages that name the place: nothing else comes out."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attack import attack_random, attack_settings, scaled
from hypothesis import given
from hypothesis import strategies as st
from tiny import TINY

from attncli.config.dump import to_yaml
from attncli.config.load import read_config
from attncli.config.yaml_core import parse_yaml
from attncli.errors import ConfigError, escaped

TEXTS = [
    TINY.read_text(),
    """\
task: captioning
data: {images: a, captions: {file: a.csv, image_field: 1}, train: a.txt, dev: {split: val}, test: {t: {list: x}}}
model:
  encoder: {kind: cnn, widths: [8, 16], preprocessing: {size: 32, fit: pad}}
  attention: {score: general, selection: hard, estimator: {kind: straight_through, temperature: 2.0}}
  decoder: {kind: lstmn, query: previous_state, doubly_stochastic: 1}
training: {max_epochs: 2, augmentation: {flip: true}, early_stopping: {patience: 3}, workers: 0}
""",
    """\
task: autoencoding
data: {kind: pictures, height: 8, width: 12, train: {folder: a, part: train}, dev: {folder: a, part: dev}}
model: {kind: convolutional, channels: [3, 4], bottleneck: 5}
training: {max_minutes: 1.5, corruption: {kind: masking, share: 0.5}, optimizer: {kind: adamw, betas: [0.8, 0.9]}}
evaluation: {seed: 3}
""",
]
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**12, 10**30, 0.5, -0.5, 1e308, -1e308, 5e-324, 1e-320),
    *(
        float("nan"),
        float("inf"),
        float("-inf"),
        "",
        " ",
        ".",
        "..",
        "/",
        "none",
        "1",
        "1e-3",
        "no",
        "~",
        "a/b",
        "a\0b",
    ),
    *("x" * 3000, "\u202e", "\x1b[31m", "\u2028", "a\nb", "\x85", "💥", [], [[]], [1, "a", None], ["x"] * 400, {}),
    *({"kind": kind} for kind in (None, 3, "none", "lstmn", "cosine", "adam", "dense", "vectors")),
    *(
        {"kind": []},
        {"kind": {}},
        {"": 1},
        {"a" * 3000: 1},
        {"file": "a"},
        {"pairs": "a"},
        {"source": "a", "target": "a"},
        {"\x1b": {"\x1b": 1}},
    ),
)
TAGS = ["int", "float", "bool", "null", "str", "map", "seq", "binary", "timestamp", "set", "omap", "pairs", "merge"]
BODIES = (
    "",
    "''",
    "x",
    "1.5",
    "maybe",
    "2001-99-99",
    "[1]",
    "[[a, b]]",
    "{a: 1}",
    "{a, b}",
    '"\\ud800"',
    "*a",
    "&a [*a]",
)
SNIPPETS = (
    *(f"!!{tag} {body}" for tag, body in product(TAGS, BODIES)),
    *(
        "!x y",
        "!<tag:yaml.org,2002:int> x",
        "! 3",
        "&a [&b [1, 1], *b, *b]",
        "&a {b: *a}",
        "*none",
        "<<: {a: 1}",
        "? [a]",
    ),
    *(
        "[" * 300,
        "{a: " * 300,
        "- " * 300,
        "9" * 5000,
        "0x" + "f" * 5000,
        "1e" + "9" * 400,
        "0o9",
        ".inf",
        "-.INF",
        ".nan",
    ),
    *(
        '"\\U00110000"',
        '"\\UFFFFFFFF"',
        '"\\x00"',
        '"\\ud83d\\ude00"',
        '"\\e]0;x\\a"',
        "|\n  a",
        ">\n  b",
        "'",
        '"',
        "%",
        "@",
        "`",
    ),
    *(
        "---",
        "...",
        "--- a\n--- b",
        "%YAML 1.1\n---",
        "%YAML 9" + "9" * 5000,
        "%TAG ! !x\n---",
        "\t",
        "\ufeff",
        "\0",
        "# c",
        "a: b: c",
    ),
    *(
        f"base: {name}"
        for name in ("/dev/zero", "pipe", "loop", "'a\\0b'", '"\\0"', "x" * 300, "case.yaml", ".", "''", "[1]")
    ),
)


def check(path: Path, overrides: list[str]) -> bool:
    """Return whether `path` with `overrides` is read, and comes back the same; check the messages if it is refused."""
    try:
        config = read_config(path, overrides)
    except ConfigError as error:
        check_messages(error, "--set ", f"{path}:", f"{path.parent}/", "/dev/zero:")
        return False
    again = path.with_name("again.yaml")
    again.write_text(to_yaml(config), encoding="utf-8")
    assert read_config(again) == config
    return True


def check_messages(error: ConfigError, *places: str) -> None:
    lines = str(error).split("\n")
    assert len(lines) <= 30
    for line in lines:
        assert line.startswith((*places, "... and ")), line
        assert len(line) < 8000
        assert escaped(line) == line


class Fuzzer:
    """Draws configurations of which something is odd."""

    def __init__(self, draw: Random):
        self._draw = draw
        self._trees = [parse_yaml(text, where="here") for text in TEXTS]
        self._keys = sorted(
            {key for tree in self._trees for place in _places(tree) for key in place if isinstance(key, str)}
        )

    def file(self) -> bytes:
        """Return a configuration file."""
        draw = self._draw
        if draw.random() < 0.5:
            tree = json.loads(json.dumps(draw.choice(self._trees)))
            for _ in range(draw.choice((1, 1, 1, 3))):
                if tree:
                    self._change(tree)
            return json.dumps(tree, ensure_ascii=draw.random() < 0.5).encode()
        text = draw.choice(TEXTS)
        for _ in range(draw.choice((1, 1, 2, 4))):
            # Half of them in the place of a value, so that the file around it stays well-formed.
            start, end = draw.choice([found.span() for found in re.finditer(r"(?<=: )[^\s,{}\[\]]+", text)])
            if draw.random() < 0.5:
                start = draw.randrange(len(text))
                end = start + draw.choice((0, 0, 1, 10))
            text = text[:start] + draw.choice((" ", "", "\n")) + draw.choice(SNIPPETS) + text[end:]
        raw = bytearray(text.encode())
        if draw.random() < 0.1:
            raw[draw.randrange(len(raw))] = draw.randrange(256)
        return bytes(raw)

    def overrides(self) -> list[str]:
        """Return up to three values of `--set`."""
        draw = self._draw
        found = []
        for _ in range(draw.choice((0, 0, 0, 0, 0, 1, 3))):
            key = ".".join(map(str, draw.choice(list(_places(draw.choice(self._trees))))))
            key = ".".join(draw.choices(self._keys, k=draw.randint(1, 60))) if draw.random() < 0.2 else key
            value = draw.choice(SNIPPETS) if draw.random() < 0.5 else json.dumps(draw.choice(VALUES))
            found.append(f"{key}{draw.choice(('=', '=', '=', '==', ''))}{value}")
        return found

    def _change(self, tree: Any) -> None:
        draw = self._draw
        if draw.random() < 0.4 and (numbers := [place for place in _places(tree) if _is_number(_at(tree, place))]):
            *above, last = draw.choice(numbers)
            section = _at(tree, above)
            value = section[last]
            section[last] = draw.choice((value + 1, value * 2, value * 10, value / 2, -value, str(value), [value]))
            return
        *above, last = draw.choice(list(_places(tree)))
        section, what = _at(tree, above), draw.randrange(6)
        if what == 0 and isinstance(section, dict):
            del section[last]
        elif what == 1 and isinstance(section, dict):
            section[draw.choice(self._keys)] = deepcopy(draw.choice(VALUES))
        elif what == 2 and isinstance(section, dict):
            section[f"{last}{draw.choice('x _.')}"] = section.pop(last)
        elif what == 3:
            section[last] = {draw.choice(self._keys): section[last]}
        elif what == 4:
            other = draw.choice(self._trees)
            section[last] = deepcopy(_at(other, draw.choice(list(_places(other)))))
        else:
            section[last] = deepcopy(draw.choice(VALUES))


def _at(tree: Any, place: Sequence[Any]) -> Any:
    for key in place:
        tree = tree[key]
    return tree


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _places(tree: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the keys that lead to everything in `tree`."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield (*above, key)
        yield from _places(value, (*above, key))


@pytest.mark.attack
def test_mutated_configurations_are_read_or_refused_with_messages(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    fuzzer, path, accepted = Fuzzer(attack_random()), tmp_path / "case.yaml", 0
    for _ in range(scaled(2000)):
        raw, overrides = fuzzer.file(), fuzzer.overrides()
        path.write_bytes(raw)
        try:
            accepted += check(path, overrides)
        except Exception as error:
            pytest.fail(f"{type(error).__name__}: {error}\nfile {raw!r}\noverrides {overrides}")
    # The mutations are small enough that what lies behind the first check is tried, too.
    assert accepted > scaled(50)


@pytest.mark.attack
@attack_settings(200)
@given(st.one_of(st.text(), st.text(alphabet="[]{}:,-?&*!|>'\"%@`#\\ \n\tax019.~<=", max_size=60)))
def test_any_text_is_a_value_or_one_message(text: str) -> None:
    try:
        parse_yaml(text, where="here")
    except ConfigError as error:
        check_messages(error, "here:")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**90), 10**90)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=40), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.attack
@attack_settings(150)
@given(JSON)
def test_json_is_read_as_what_it_is(value: Any) -> None:
    assert parse_yaml(json.dumps(value), where="here") == value


@pytest.mark.attack
@attack_settings(100)
@given(st.text(max_size=30), JSON | st.sampled_from(SNIPPETS))
def test_any_override_is_read_or_refused(key: str, value: Any) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    for override in (f"{key}={text}", f"data.test.{key}={text}", f"training.optimizer={text}", f"{key}{text}"):
        try:
            read_config(TINY, [override])
        except ConfigError as error:
            check_messages(error, "--set ")

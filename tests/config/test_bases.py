"""The key `base`: what a file takes from another, and which file a problem is laid to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from attncli.config.bases import merged_values
from attncli.config.load import read_config
from attncli.errors import ConfigError

BASE = """\
task: translation
data:
  train: {source: train.de, target: train.en}
  dev: {source: dev.de, target: dev.en}
model:
  embedding_size: 6
  encoder: {hidden_size: 10}
  decoder: {hidden_size: 8}
training:
  max_steps: 3
  schedule: {kind: cosine, warmup: 2}
"""


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def refused(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_config(path, overrides)
    return str(caught.value)


def test_sections_are_joined_and_values_replaced() -> None:
    base = {"a": {"b": 1, "c": {"d": [1, 2], "e": 3}}, "f": 4, "g": {"h": 5}}
    changes = {"a": {"c": {"d": [7]}, "i": 8}, "g": "none", "j": {"k": 9}}
    before = repr(base)
    expected = {"a": {"b": 1, "c": {"d": [7], "e": 3}, "i": 8}, "f": 4, "g": "none", "j": {"k": 9}}
    assert merged_values(base, changes) == expected
    assert repr(base) == before


@pytest.mark.parametrize(
    ("base", "changes", "expected"),
    [
        ({"kind": "a", "x": 1}, {"kind": "b", "y": 2}, {"kind": "b", "y": 2}),
        ({"kind": "a", "x": 1}, {"kind": "a", "y": 2}, {"kind": "a", "x": 1, "y": 2}),
        ({"kind": "a", "x": 1}, {"y": 2}, {"kind": "a", "x": 1, "y": 2}),
        ({"x": 1}, {"kind": "b"}, {"kind": "b"}),
    ],
)
def test_another_kind_takes_nothing_from_the_base(
    base: dict[str, object], changes: dict[str, object], expected: dict[str, object]
) -> None:
    assert merged_values({"section": base}, {"section": changes}) == {"section": expected}


def test_a_file_says_what_differs_from_its_base_and_the_base_may_have_one(tmp_path: Path) -> None:
    written(tmp_path, "base.yaml", BASE)
    written(tmp_path, "sets/wide.yaml", "base: ../base.yaml\nmodel: {embedding_size: 7, attention: none}\n")
    found = read_config(written(tmp_path, "sets/gru.yaml", "base: wide.yaml\nmodel: {encoder: {cell: gru}}\n"))
    same = ["model.embedding_size=7", "model.attention=none", "model.encoder.cell=gru"]
    assert found == read_config(tmp_path / "base.yaml", same)


def test_overrides_come_after_the_base(tmp_path: Path) -> None:
    written(tmp_path, "base.yaml", BASE)
    path = written(tmp_path, "new.yaml", "base: base.yaml\ntraining: {max_steps: 4}\n")
    assert read_config(path).training.max_steps == 4
    assert read_config(path, ["training.max_steps=5"]).training.max_steps == 5


def test_a_problem_is_laid_to_the_file_that_says_it(tmp_path: Path) -> None:
    base = written(tmp_path, "base.yaml", BASE.replace("cosine", "cosin"))
    path = written(tmp_path, "new.yaml", "base: base.yaml\nmodel: {embedding_sice: 3}\nsearch: {beam_size: 0}\n")
    lines = refused(path, "training.max_steps=many").splitlines()
    assert sorted(line.split(": ")[0] for line in lines) == [
        "--set training.max_steps",
        str(base),
        str(path),
        str(path),
    ]
    assert f"{base}: training.schedule.kind: unknown value 'cosin'; did you mean 'cosine'?" in "\n".join(lines)


def test_values_that_do_not_go_together_are_laid_to_the_file_that_joins_them(tmp_path: Path) -> None:
    written(
        tmp_path, "base.yaml", BASE.replace("decoder: {", "attention: {score: dot}\n  decoder: {").replace("10", "8")
    )
    path = written(tmp_path, "new.yaml", "base: base.yaml\nmodel: {encoder: {hidden_size: 12}}\n")
    assert refused(path).startswith(f"{path}: model.attention.score: 'dot' needs query and memory of equal width")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: 3\n", "{path}: base: should be the path of a configuration, relative to this file, but is 3"),
        ("base: ''\n", "{path}: base: should be the path of a configuration, relative to this file, but is ''"),
        ("base: bas.yaml\n", "{folder}/bas.yaml: no such file (the base of {path})"),
        ("base: .\n", "{folder}: is a folder, not a configuration file (the base of {path})"),
        (
            'base: "a\\0b"\n',
            "{path}: base: should be the path of a configuration, relative to this file, but is 'a\\x00b'",
        ),
        (
            f"base: [{'x' * 90}]\n",
            f'{{path}}: base: should be the path of a configuration, relative to this file, but is ["{"x" * 75}...',
        ),
        ('base: "\\ud800"\n', "{path}:1: half of a surrogate pair, which is not a character"),
        (f"base: {'9' * 5000}\n", "{path}:1: a number of 5,000 characters; at most 100"),
        (f"base: {'x' * 5000}\n", "{folder}/{name}: cannot be read (the base of {path}): File name too long"),
        ("base: /dev/zero\n", "/dev/zero: is a device or a pipe, not a file (the base of {path})"),
        ("base: pipe\n", "{folder}/pipe: is a device or a pipe, not a file (the base of {path})"),
        ("base: loop\n", "{folder}/loop: cannot be read (the base of {path}): Too many levels of symbolic links"),
        ("base: large\n", "{folder}/large: over 256 KiB, so not a configuration (the base of {path})"),
        ('base: "\\e[31m"\n', "{folder}/\\x1b[31m: no such file (the base of {path})"),
        ("base: empty.yaml\n", "{folder}/empty.yaml: holds no keys; a configuration starts with 'task: translation'"),
        (
            "base: new.yaml\n",
            "{path}: base: leads back to a file that it is a base of: {path} -> {path}",
        ),
    ],
)
def test_a_base_that_cannot_be_read_is_explained(tmp_path: Path, text: str, message: str) -> None:
    written(tmp_path, "empty.yaml", "")
    written(tmp_path, "large", "#" * 2**19)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    path = written(tmp_path, "new.yaml", text)
    assert refused(path) == message.format(path=path, folder=tmp_path, name="x" * 5000)


def test_a_circle_of_bases_is_shown(tmp_path: Path) -> None:
    first, second = written(tmp_path, "a.yaml", "base: b.yaml\n"), written(tmp_path, "b.yaml", "base: a.yaml\n")
    assert refused(first) == (
        f"{second}: base: leads back to a file that it is a base of: {first} -> {second} -> {first}"
    )


def test_a_chain_of_bases_has_an_end(tmp_path: Path) -> None:
    for at in range(30):
        written(tmp_path, f"{at}.yaml", f"base: {at + 1}.yaml\n")
    expected = f"{tmp_path}/20.yaml: base: more than 20 bases, each the base of the one before"
    assert refused(tmp_path / "0.yaml") == expected


def test_base_is_no_key_to_set(tmp_path: Path) -> None:
    written(tmp_path, "base.yaml", BASE)
    path = written(tmp_path, "new.yaml", "base: base.yaml\n")
    assert refused(path, "base=other.yaml").startswith("--set base: unknown key 'base'")

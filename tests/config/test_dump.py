"""What is written is read as the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import TINY, configured

from attncli.config.data import PairFile
from attncli.config.dump import to_yaml
from attncli.config.load import check_config, read_config
from attncli.config.tasks.translation import TranslationConfig
from attncli.config.yaml_core import parse_yaml

TRICKY = [
    *["", " ", "no", "yes", "on", "null", "~", "Null", "true", "FALSE", "1e-3", "1E5", "010", "0o7", "0x1F", "1_000"],
    *[
        "+1",
        "-",
        ".5",
        ".inf",
        ".nan",
        "2001-01-01",
        "12:30",
        "a: b",
        "a #b",
        "#a",
        "- a",
        "[a",
        "{a}",
        "!a",
        "&a",
        "*a",
    ],
    *[
        "'",
        '"',
        "it's",
        "a\\b",
        "a\nb",
        "\n",
        "a\tb",
        " a ",
        "日本語",
        "ñandú",
        "🐕",
        "\x85",
        "\u2028",
        "\ufeff",
        "%",
        "@",
    ],
    *["?", "? a", "=", "<<", "a" * 300, "a b " * 60, "e" * 120 + " " + "é" * 120],
]


def written_and_read(config: TranslationConfig) -> TranslationConfig:
    return translation(parse_yaml(to_yaml(config), where="written"))


def translation(values: dict[str, Any]) -> TranslationConfig:
    config = check_config(values, where="written")
    assert isinstance(config, TranslationConfig)
    return config


def named(text: str) -> TranslationConfig:
    """Return a configuration with `text` as a value, and with one like it as a key and as a path."""
    values = yaml.safe_load(TINY.read_text())
    name = "".join(character for character in text if character not in "/\0")[:40]
    name = "x" if name in ("", ".", "..") else name
    values["data"] |= {"root": name, "test": {name: {"pairs": name, "source_field": text}}}
    return translation(values)


def field_of(config: TranslationConfig) -> object:
    [split] = config.data.test.values()
    assert isinstance(split, PairFile)
    return split.source_field


@pytest.mark.parametrize("text", TRICKY)
def test_tricky_text_is_read_as_it_was(text: str) -> None:
    config = named(text)
    assert field_of(config) == text
    assert written_and_read(config) == config


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_read_as_it_was(text: str) -> None:
    assert field_of(written_and_read(named(text))) == text


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["model.attention=none", "training.clip_norm=null", "training.learning_rate=1e-5"],
        ["training.optimizer={kind: adamw, betas: [0.8, 0.9], epsilon: 1e-9}", "model.dropout=0.1"],
        ["training.schedule={kind: noam, size: 4}", "training.early_stopping={}", "training.max_minutes=0.5"],
        ["data.train={pairs: a.tsv, source_field: '1'}", "data.dev={pairs: a.tsv, source_field: 1}"],
        ["model.attention={score: location, maximum_source_length: 9}", "evaluation.length_bins=[]"],
    ],
)
def test_a_configuration_is_read_as_it_was(overrides: list[str], tmp_path: Path) -> None:
    config = configured(*overrides)
    (tmp_path / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
    assert read_config(tmp_path / "config.yaml") == config


def test_every_default_is_written_in_the_order_of_the_sections() -> None:
    text = to_yaml(configured())
    values = yaml.safe_load(text)
    assert list(values) == list(TranslationConfig.model_fields)
    assert values == configured().model_dump(mode="json")
    assert "max_minutes: null" in text
    assert "clip_norm: 5.0" in text

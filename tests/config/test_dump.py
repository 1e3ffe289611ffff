"""What is written is read as the same, and the JSON Schema says what the reader accepts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import TINY, configured

from attncli.config.data import PairFile
from attncli.config.dump import json_schema, to_yaml
from attncli.config.load import CONFIGS, check_config, read_config
from attncli.config.tasks.translation import TranslationConfig
from attncli.config.yaml_core import parse_yaml
from attncli.errors import ConfigError

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


def accepts(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Tell whether `value` keeps to `schema`: the part of JSON Schema 2020-12 that pydantic writes."""
    if "$ref" in schema:
        return accepts(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root)
    options = schema.get("anyOf") or schema.get("oneOf")
    if options and not any(accepts(value, option, root) for option in options):
        return False
    types: dict[str, type | tuple[type, ...]] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
    }
    wanted = schema.get("type")
    if wanted == "null" and value is not None:
        return False
    if wanted in types and (not isinstance(value, types[wanted]) or isinstance(value, bool) > (wanted == "boolean")):
        return False
    if ("const" in schema and value != schema["const"]) or ("enum" in schema and value not in schema["enum"]):
        return False
    if isinstance(value, dict) and not within_keys(value, schema, root):
        return False
    if isinstance(value, str) and len(value) < schema.get("minLength", 0):
        return False
    if isinstance(value, list):
        fixed = schema.get("prefixItems", [])
        rest = [accepts(item, schema.get("items", {}), root) for item in value[len(fixed) :]]
        first = [accepts(item, one, root) for item, one in zip(value, fixed, strict=False)]
        if not all(first + rest) or not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 99):
            return False
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return bool(
            schema.get("minimum", value) <= value <= schema.get("maximum", value)
            and value > schema.get("exclusiveMinimum", value - 1)
            and value < schema.get("exclusiveMaximum", value + 1)
        )
    return True


def within_keys(value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any]) -> bool:
    keys, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    if not set(schema.get("required", [])) <= set(value):
        return False
    return all(
        accepts(item, keys[key], root)
        if key in keys
        else others
        if isinstance(others, bool)
        else accepts(item, others, root)
        for key, item in value.items()
    )


def tiny_values(**sections: Any) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(TINY.read_text())
    for name, changes in sections.items():
        values[name] = {**values.get(name, {}), **changes}
    return values


ACCEPTED = [
    tiny_values(),
    tiny_values(model={"dropout": 0.3, "attention": "none"}),
    tiny_values(model={"dropout": {"layers": 0.3}, "attention": {}}),
    tiny_values(training={"optimizer": {"kind": "sgd"}, "clip_norm": None, "learning_rate": 1, "early_stopping": {}}),
    tiny_values(training={"optimizer": {"kind": "adam", "betas": [0.5, 0.5]}, "schedule": {"kind": "plateau"}}),
    tiny_values(data={"train": {"pairs": "a.tsv", "source_field": "x"}, "test": {"a": {"source": "b", "target": "c"}}}),
    tiny_values(evaluation={"length_bins": [4, 9]}),
]
AUTOENCODING: dict[str, Any] = {
    "task": "autoencoding",
    "data": {"kind": "vectors", "size": 3, "train": {"file": "a.csv"}, "dev": {"file": "b.npy", "part": "dev"}},
    "model": {"kind": "dense", "bottleneck": 2, "decoder_widths": None},
    "training": {"max_steps": 3, "corruption": {"kind": "masking"}},
}
ACCEPTED += [
    AUTOENCODING,
    {
        **AUTOENCODING,
        "data": {"kind": "pictures", "train": {"folder": "a"}, "dev": {"folder": "b", "list": "c"}},
        "model": {"kind": "convolutional", "channels": [2], "bottleneck": 2},
    },
]
REFUSED = [
    {},
    {**AUTOENCODING, "task": "translation"},
    {**AUTOENCODING, "search": {}},
    {**AUTOENCODING, "training": {"max_steps": 3, "validation": {"metric": "bleu"}}},
    {**AUTOENCODING, "model": {"kind": "convolutional", "channels": [], "bottleneck": 2}},
    tiny_values(modell={}),
    tiny_values(model={"dropout": 1.0}),
    tiny_values(model={"dropout": "often"}),
    tiny_values(model={"dropout": {"every": 0.1}}),
    tiny_values(model={"attention": "additive"}),
    tiny_values(model={"attention": {"score": "adittive"}}),
    tiny_values(training={"optimizer": {"kind": "adan"}}),
    tiny_values(training={"optimizer": {"kind": "adam", "betas": [0.5]}}),
    tiny_values(training={"max_steps": "3"}),
    tiny_values(training={"seed": True}),
    tiny_values(data={"dev": {"source": "a"}}),
    tiny_values(evaluation={"length_bins": [0]}),
]


@pytest.mark.parametrize("values", ACCEPTED)
def test_the_schema_accepts_what_is_read(values: dict[str, Any]) -> None:
    check_config(values, where="x")
    assert accepts(values, json_schema(), json_schema())


@pytest.mark.parametrize("values", REFUSED)
def test_the_schema_refuses_what_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        check_config(values, where="x")
    assert not accepts(values, json_schema(), json_schema())


def test_the_schema_is_json_and_says_which_schema_it_is() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    sections = [schema["$defs"][option["$ref"].rsplit("/", 1)[-1]] for option in schema["anyOf"]]
    assert [section["properties"]["task"]["const"] for section in sections] == [*CONFIGS, *CONFIGS]
    whole, over_bases = sections[: len(CONFIGS)], sections[len(CONFIGS) :]
    assert all({"task", "data", "training"} <= set(section["required"]) for section in whole)
    assert all(section["required"] == ["base"] for section in over_bases)


CONFIGURATIONS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGURATIONS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_the_schema_accepts_every_file_of_the_project_with_a_base_or_without(path: Path) -> None:
    assert accepts(parse_yaml(path.read_text(), where="x"), json_schema(), json_schema())


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({}, True),
        ({"model": {"encoder": {"layers": 2}}, "training": {"schedule": {"warmup": 3}}}, True),
        ({"task": "autoencoding", "training": {"corruption": {"share": 0.5}}}, True),
        ({"data": {"test": {"a": {"source": "b"}}}}, True),
        ({"base": ""}, False),
        ({"base": 3}, False),
        ({"modell": {}}, False),
        ({"model": {"encoder": {"lairs": 2}}}, False),
        ({"model": {"encoder": {"layers": 0}}}, False),
        ({"data": {"test": {"a": {"sauce": "b"}}}}, False),
        ({"training": {"optimizer": {"kind": "adam", "betas": [0.5]}}}, False),
        ({"task": "autoencoding", "search": {}}, False),
    ],
)
def test_with_a_base_the_schema_asks_for_no_key_and_knows_them_all(changes: dict[str, Any], fits: bool) -> None:
    schema = json_schema()
    assert accepts({"base": "base.yaml", **changes}, schema, schema) is fits

"""The JSON Schema refuses what the reader refuses, and says what was meant; checked with real checkers of schemas."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tiny import TINY

from attncli.config.bases import BASE, merged_values, read_values
from attncli.config.load import CONFIGS, check_config
from attncli.config.schema import json_schema, schema_text
from attncli.config.shipped import SCHEMA
from attncli.config.yaml_core import parse_yaml
from attncli.errors import ConfigError

FILES = sorted(SCHEMA.parent.rglob("*.yaml"))
CHECKER = Draft202012Validator(json_schema())


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
    assert CHECKER.is_valid(values)


@pytest.mark.parametrize("values", REFUSED)
def test_the_schema_refuses_what_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        check_config(values, where="x")
    assert not CHECKER.is_valid(values)


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
    assert CHECKER.is_valid({"base": "base.yaml", **changes}) is fits


def test_the_shipped_schema_is_that_of_the_code() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), "run make docs"
    assert json.loads(schema_text()) == json_schema()


def test_the_schema_is_one_and_says_which_and_is_small() -> None:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert re.fullmatch(r"urn:attncli:configuration:\d+", schema["$id"])
    assert schema["properties"]["task"]["enum"] == list(CONFIGS)
    assert len(schema_text().encode()) < 25_000 * len(CONFIGS)


def test_every_definition_is_used() -> None:
    text = schema_text()
    assert [name for name in json_schema()["$defs"] if f'"#/$defs/{name}"' not in text] == []


@pytest.mark.parametrize("task", CONFIGS)
def test_the_schema_of_one_task_knows_no_other(task: str) -> None:
    checker = Draft202012Validator(json_schema(task))
    for path in FILES:
        values = parse_yaml(path.read_text(encoding="utf-8"), where="x")
        if "task" in values:
            assert checker.is_valid(values) is (values["task"] == task)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_schema_accepts_every_shipped_file_and_an_editor_finds_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert list(CHECKER.iter_errors(parse_yaml(text, where="x"))) == []
    line = text.splitlines()[0]
    assert line.startswith("# yaml-language-server: $schema=")
    assert (path.parent / line.partition("=")[2]).resolve() == SCHEMA


def places(values: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value below `values`."""
    for key, value in values.items() if isinstance(values, dict) else ():
        yield (*path, key)
        yield from places(value, (*path, key))


VALUES = {path: parse_yaml(path.read_text(encoding="utf-8"), where="x") for path in FILES}
WRONG = [True, None, "bqe", -3, 0, 2.5, 10**12, [], ["a"], {}, {"kind": "bqe"}, {"a": 1}]


@st.composite
def mutated(draw: st.DrawFn) -> tuple[Path, dict[str, Any], str]:
    """Draw a shipped file and its values with one of them changed, left out, or under a wrong key, and which it is."""
    path = draw(st.sampled_from([path for path in FILES if set(VALUES[path]) != {BASE}]))
    values = copy.deepcopy(VALUES[path])
    place = draw(st.sampled_from([each for each in places(values) if each != (BASE,)]))
    above = values
    for key in place[:-1]:
        above = above[key]
    match what := draw(st.sampled_from(["value", "value", "key", "gone", "new"])):
        case "value":
            above[place[-1]] = draw(st.sampled_from(WRONG))
        case "key":
            above[f"{place[-1]}s"] = above.pop(place[-1])
        case "gone":
            del above[place[-1]]
        case "new":
            above["surprise"] = 1
    return path, values, what


def problem(path: Path, values: dict[str, Any]) -> str | None:
    """Return what the reader says of `values` in the place of the file `path`, or None if it accepts them."""
    own = {key: value for key, value in values.items() if key != BASE}
    whole = merged_values(read_values(path.parent / values[BASE]).values, own) if BASE in values else own
    try:
        check_config(copy.deepcopy(whole), where="x")
    except ConfigError as error:
        return str(error)
    return None


def with_task(path: Path, values: dict[str, Any]) -> dict[str, Any]:
    """Return `values` with the task of their base, without which whatever fits any task is right."""
    return {"task": read_values(path.parent / values[BASE]).values["task"], **values} if BASE in values else values


# Mistakes that every schema can express: an unknown key or choice, or a value of the wrong type.
PLAIN = re.compile(
    r"unknown (key|value|task)|should be (an integer|a number|text|true or false|a list)|keys of its own"
)


TRANSFORMER = next(path for path in FILES if path.parts[-2:] == ("compare-attention", "transformer.yaml"))


@settings(max_examples=100, deadline=None)
@given(mutated())
# Answering may leave the encoder out, and this file does not say that its task is another one.
@example((TRANSFORMER, {BASE: "base.yaml", "model": {"encoder": None}}, "value"))
def test_what_the_schema_refuses_the_reader_refuses_and_plain_mistakes_the_other_way_round(
    case: tuple[Path, dict[str, Any], str],
) -> None:
    path, values, what = case
    said, fits = problem(path, values), CHECKER.is_valid(values)
    if not fits:
        assert said is not None, [error.message for error in CHECKER.iter_errors(values)]
    elif said is not None and CHECKER.is_valid(with_task(path, values)) and not (what == "gone" and BASE in values):
        # Only a base says which keys belong to the kind that it has.
        assert not PLAIN.search(said), said


MISTAKES = {
    "tokenizer: {kind: bqe}": "$.tokenizer.kind: 'bqe' is not one of ['bpe', 'unigram', 'word', 'char']",
    "tokeniser: {kind: bpe}": "$: Additional properties are not allowed ('tokeniser' was unexpected)",
    "model: {attention: {score: adittive}}": (
        "$.model.attention.score: 'adittive' is not one of "
        "['content', 'additive', 'location', 'general', 'dot', 'scaled_dot']"
    ),
    "model: {encoder: {kind: transfomer}}": (
        "$.model.encoder.kind: 'transfomer' is not one of ['recurrent', 'lstmn', 'transformer', 'convolutional']"
    ),
    "model: {encoder: {kind: transformer, cell: gru}}": (
        "$.model.encoder: Additional properties are not allowed ('cell' was unexpected)"
    ),
    "training: {max_steps: many}": "$.training.max_steps: 'many' is not of type 'integer', 'null'",
    "training: {max_steps: 9, optimizer: {kind: adam, momentum: 0.9}}": (
        "$.training.optimizer: Additional properties are not allowed ('momentum' was unexpected)"
    ),
    "training: {max_steps: 9, schedule: {warmup: 400}}": "$.training.schedule: 'kind' is a required property",
    "model: {dropout: 1.5}": "$.model.dropout: 1.5 is greater than or equal to the maximum of 1",
    "search: {beam_size: 0}": "$.search.beam_size: 0 is less than the minimum of 1",
    "data: {train: {source: a}, dev: {pairs: b}}": "$.data.train: 'target' is a required property",
    "task: translate": (
        "$.task: 'translate' is not one of ['translation', 'summarisation', 'answering', 'captioning', "
        "'classification', 'transcription', 'autoencoding']"
    ),
}


def test_check_jsonschema_says_of_typical_mistakes_what_was_meant_and_no_more(tmp_path: Path) -> None:
    paths = []
    for number, text in enumerate(MISTAKES):
        paths.append(tmp_path / f"{number}.yaml")
        paths[-1].write_text(yaml.safe_dump({**yaml.safe_load(TINY.read_text()), **yaml.safe_load(text)}))
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(SCHEMA), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    said = [line.strip().partition("::")[2] for line in done.stdout.splitlines() if "::" in line]
    assert said == list(MISTAKES.values())

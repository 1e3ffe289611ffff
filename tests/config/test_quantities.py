"""The range of every number, path and name in a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tiny import configured

from attncli.config.schema import schema_of_whole_files
from attncli.errors import ConfigError


def numbers(schema: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema of a number below `schema`, with where it stands."""
    if isinstance(schema, dict):
        if schema.get("type") in ("integer", "number"):
            yield place, schema
        for key, value in schema.items():
            yield from numbers(value, f"{place}.{key}")
    elif isinstance(schema, list):
        for value in schema:
            yield from numbers(value, place)


def problem(override: str) -> str:
    with pytest.raises(ConfigError) as caught:
        configured(override)
    [found] = caught.value.problems
    return found.removeprefix("tiny.yaml: ")


def test_every_number_has_a_range() -> None:
    found = dict(numbers(schema_of_whole_files()["$defs"]))
    assert len(found) > 70
    for place, schema in found.items():
        assert schema.keys() & {"minimum", "exclusiveMinimum"}, place
        assert schema.keys() & {"maximum", "exclusiveMaximum"}, place


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("training.seed=9223372036854775808", "should be under 2^63, but is 9223372036854775808"),
        ("training.seed=1" + "0" * 30, "should be under 2^63, but is 1" + "0" * 30),
        ("training.batch_tokens=1000000001", "should be at most 10^9, but is 1000000001"),
        ("training.validation.beam_size=1001", "should be at most 1,000, but is 1001"),
        ("training.learning_rate=1e-13", "should be at least 1e-12, but is 1e-13"),
        ("training.learning_rate=1e308", "should be at most 1,000, but is 1e+308"),
        ("training.clip_norm=1e-320", "should be at least 1e-06, but is 1e-320"),
        ("training.max_minutes=1e-300", "should be at least 0.001, but is 1e-300"),
        ("tokenizer.vocabulary_size=2147483648", "should be at most 10^6, but is 2147483648"),
        ("model.embedding_size=65537", "should be at most 65,536, but is 65537"),
        ("model.encoder.layers=1001", "should be at most 1,000, but is 1001"),
        ("model.decoder.doubly_stochastic=1e308", "should be at most 1,000, but is 1e+308"),
        ("evaluation.bootstrap_samples=100001", "should be at most 100,000, but is 100001"),
        ("data.root=", "should be text, but is null"),
        ("data.root=''", "should be a path, but is empty"),
        ('data.cache="a\\0b"', "should be a path, but holds the character U+0000"),
        ("data.train.source=''", "should be a path, but is empty"),
    ],
)
def test_a_value_beyond_its_range_is_refused(override: str, expected: str) -> None:
    key = override.partition("=")[0]
    assert problem(override) == f"{key}: {expected}"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "a\\0", "ä" * 101])
def test_a_test_set_has_a_name_that_a_folder_may_have(name: str) -> None:
    [found] = {problem(f'data.test={{"{name}": {{source: a, target: b}}}}')}
    assert found.endswith(": should be the name of a folder: not empty, without '/', and not too long")


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "training.optimizer={kind: adam, epsilon: 1e308}",
            "training.optimizer.epsilon: should be at most 1, but is 1e+308",
        ),
        (
            "training.schedule={kind: cosine, steps: 5, warmup: 5}",
            "training.schedule: steps 5 is not more than warmup 5, so the rate would be at its lowest when the warm-up "
            "ends; raise steps or lower warmup",
        ),
        (
            "model.attention={score: general, window: local_p, half_width: 100001}",
            "model.attention.half_width: should be at most 100,000, but is 100001",
        ),
        (
            "model.attention={selection: hard, estimator: {kind: straight_through, temperature: 1e308}}",
            "model.attention.estimator.temperature: should be at most 1,000, but is 1e+308",
        ),
        (
            "evaluation.length_bins=[100001]",
            "evaluation.length_bins.0: should be at most 100,000, but is 100001",
        ),
        ("evaluation.length_bins=[0]", "evaluation.length_bins.0: should be at least 1, but is 0"),
    ],
)
def test_a_value_within_a_section_or_list_is_named_by_its_place(override: str, expected: str) -> None:
    assert problem(override) == expected


def test_the_ends_of_a_range_belong_to_it() -> None:
    training = configured("training.seed=9223372036854775807", "training.batch_tokens=1000000000").training
    assert (training.seed, training.batch_tokens) == (2**63 - 1, 10**9)
    assert configured("training.schedule={kind: cosine, steps: 6, warmup: 5}")

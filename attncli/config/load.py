"""Reads a configuration: YAML, overrides, and all of its problems in one message."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from attncli.config.bases import read_values
from attncli.config.formats import FORMAT, as_meant
from attncli.config.problems import explained
from attncli.config.tasks.autoencoding import AutoencodingConfig
from attncli.config.tasks.captioning import CaptioningConfig
from attncli.config.tasks.translation import TranslationConfig
from attncli.config.writing import WritingConfig
from attncli.config.yaml_core import parse_yaml
from attncli.errors import ConfigError, unknown

Config = WritingConfig | AutoencodingConfig
CONFIGS: dict[str, type[Config]] = {
    "translation": TranslationConfig,
    "captioning": CaptioningConfig,
    "autoencoding": AutoencodingConfig,
}


def read_config(path: Path, overrides: Sequence[str] = (), *, format: int = FORMAT) -> Config:
    """Return the checked configuration of the file `path` over its bases, with `overrides` (`a.b=c`) applied.

    Keys that the file leaves out mean what they meant in `format`.
    """
    found = read_values(path)
    keys = [_apply(found.values, override) for override in overrides]
    config = check_config(found.values, where=str(path), overridden=keys, inherited=found.inherited)
    return as_meant(config, format=format)


def _apply(values: dict[str, Any], override: str) -> str:
    """Put `override` into `values`, and return its key."""
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise ConfigError([f"--set {override}: expected KEY=VALUE, such as training.max_steps=100"])
    *parents, last = key.split(".")
    at = values
    for parent in parents:
        inner = at.get(parent)
        # A copy, since by a YAML alias one mapping may stand in several places.
        at[parent] = dict(inner) if isinstance(inner, dict) else {}
        at = at[parent]
    at[last] = parse_yaml(text, where=f"--set {key}")
    return key


def check_config(
    values: dict[str, Any],
    *,
    where: str,
    overridden: Sequence[str] = (),
    inherited: Mapping[str, str] = MappingProxyType({}),
) -> Config:
    """Return `values` as a typed configuration, or raise one ConfigError with every problem in it.

    Each problem begins with `where`; with `--set` if its key is in `overridden`, or with the base that sets its key
    according to `inherited`.
    """
    task = str(values.get("task"))
    if task not in CONFIGS:
        what = unknown("task", task, CONFIGS) if "task" in values else f"missing; choose from {', '.join(CONFIGS)}"
        raise ConfigError([_placed(f"task: {what}", where, overridden, inherited)])
    section = CONFIGS[task]
    try:
        # Strict JSON mode reads lists as tuples and integers as floats, and nothing else as what it is not.
        config = section.model_validate_json(json.dumps(values))
        # Each value is valid on its own, so the file that combines them is at fault, not the base that one is from.
        inherited, problems = {}, list(config.conflicts())
    except ValidationError as error:
        problems = [explained(detail, section, values) for detail in error.errors()]
    except TypeError as error:
        problems = [f"holds a value that is neither text, number, list nor keys: {error}"]
    if problems:
        # A value that stands for several keys, such as `dropout: 2`, has the same problem several times.
        raise ConfigError([_placed(problem, where, overridden, inherited) for problem in dict.fromkeys(problems)])
    return config


def _placed(problem: str, where: str, overridden: Sequence[str], inherited: Mapping[str, str]) -> str:
    if any(_is_about(problem, key) for key in overridden):
        return f"--set {problem}"
    return f"{next((file for key, file in inherited.items() if _is_about(problem, key)), where)}: {problem}"


def _is_about(problem: str, key: str) -> bool:
    return problem.startswith((f"{key}:", f"{key}."))

"""Reads a configuration: YAML, overrides, and every problem of it in one message."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from attncli.config.autoencoding import AutoencodingConfig
from attncli.config.captioning import CaptioningConfig
from attncli.config.problems import explained
from attncli.config.translation import TranslationConfig
from attncli.config.yaml_core import parse_yaml
from attncli.errors import ConfigError, unknown

Config = TranslationConfig | CaptioningConfig | AutoencodingConfig
CONFIGS: dict[str, type[Config]] = {
    "translation": TranslationConfig,
    "captioning": CaptioningConfig,
    "autoencoding": AutoencodingConfig,
}


def read_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Return the checked configuration of the file `path` with `overrides` (`a.b=c`) applied."""
    values = parse_yaml(_read(path), where=str(path))
    if not isinstance(values, dict):
        raise ConfigError([f"{path}: holds no keys; a configuration starts with 'task: translation'"])
    keys = [_apply(values, override) for override in overrides]
    return check_config(values, where=str(path), overridden=keys)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError([f"{path}: no such file"]) from None
    except IsADirectoryError:
        raise ConfigError([f"{path}: is a folder, not a configuration file"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: not UTF-8 text, so not a configuration file"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None


def _apply(values: dict[str, Any], override: str) -> str:
    """Put `override` into `values`, and return its key."""
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise ConfigError([f"--set {override}: expected KEY=VALUE, such as training.max_steps=100"])
    *parents, last = key.split(".")
    at = values
    for parent in parents:
        inner = at.get(parent)
        # A copy, since a YAML alias puts one mapping into several places.
        at[parent] = dict(inner) if isinstance(inner, dict) else {}
        at = at[parent]
    at[last] = parse_yaml(text, where=f"--set {key}")
    return key


def check_config(values: dict[str, Any], *, where: str, overridden: Sequence[str] = ()) -> Config:
    """Return `values` as a typed configuration, or raise one ConfigError with every problem in it.

    `where` begins the line of a problem, and `--set` that of one with a key in `overridden`.
    """
    task = str(values.get("task"))
    if task not in CONFIGS:
        what = unknown("task", task, CONFIGS) if "task" in values else f"missing; choose from {', '.join(CONFIGS)}"
        raise ConfigError([_placed(f"task: {what}", where, overridden)])
    section = CONFIGS[task]
    try:
        # Strict JSON mode reads lists as tuples and integers as floats, and nothing else as what it is not.
        config = section.model_validate_json(json.dumps(values))
        problems = list(config.conflicts())
    except ValidationError as error:
        problems = [explained(detail, section, values) for detail in error.errors()]
    except TypeError as error:
        problems = [f"holds a value that is neither text, number, list nor keys: {error}"]
    if problems:
        # Problems of a value that stands for several keys, such as `dropout: 2`, read the same.
        raise ConfigError([_placed(problem, where, overridden) for problem in dict.fromkeys(problems)])
    return config


def _placed(problem: str, where: str, overridden: Sequence[str]) -> str:
    is_overridden = any(problem.startswith((f"{key}:", f"{key}.")) for key in overridden)
    return f"--set {problem}" if is_overridden else f"{where}: {problem}"

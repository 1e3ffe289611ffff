"""Reads a configuration: YAML by 1.2 rules, overrides, and every problem of the file in one message."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from attncli.config.translation import TranslationConfig
from attncli.errors import ConfigError, unknown

Config = TranslationConfig
CONFIGS: dict[str, type[Config]] = {"translation": TranslationConfig}


class _CoreLoader(yaml.SafeLoader):
    """YAML 1.2's core schema. PyYAML follows 1.1, where `no` is false, 1e-3 is text and 010 is 8."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own attribute


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
):
    _CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


def _integer(loader: _CoreLoader, node: yaml.ScalarNode) -> int:
    text = node.value
    if text.startswith("0o"):
        return int(text[2:], 8)
    return int(text, 16) if text.startswith("0x") else int(text)


def _mapping(loader: _CoreLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in found:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} is there twice; keep one", key_node.start_mark
            )
        found[key] = loader.construct_object(value_node, deep=True)
    return found


_CoreLoader.add_constructor("tag:yaml.org,2002:int", _integer)
_CoreLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def parse_yaml(text: str, *, where: str) -> Any:
    """Return what `text` says by YAML 1.2's core rules; `where` begins the message of a ConfigError."""
    try:
        return yaml.load(text, Loader=_CoreLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError([f"{where}{line}: {error.problem}"]) from None
    except yaml.YAMLError as error:
        raise ConfigError([f"{where}: not YAML: {error}"]) from None


def read_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Return the checked configuration of the file `path` with `overrides` (`a.b=c`) applied."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError([f"{path}: no such file"]) from None
    except IsADirectoryError:
        raise ConfigError([f"{path}: is a folder, not a configuration file"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: not UTF-8 text, so not a configuration file"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    values = parse_yaml(text, where=str(path))
    if not isinstance(values, dict):
        raise ConfigError([f"{path}: holds no keys; a configuration starts with 'task: translation'"])
    for override in overrides:
        _apply(values, override)
    return check_config(values, where=str(path))


def _apply(values: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    if not equals or not all(path.split(".")):
        raise ConfigError([f"--set {override}: expected KEY=VALUE, such as training.max_steps=100"])
    *parents, last = path.split(".")
    at = values
    for parent in parents:
        if not isinstance(at.get(parent), dict):
            at[parent] = {}
        at = at[parent]
    at[last] = parse_yaml(text, where=f"--set {path}")


def check_config(values: dict[str, Any], *, where: str) -> Config:
    """Return `values` as a typed configuration, or raise one ConfigError with every problem in it."""
    task = values.get("task")
    if "task" not in values:
        raise ConfigError([f"{where}: task: missing; choose from {', '.join(CONFIGS)}"])
    if task not in CONFIGS:
        raise ConfigError([f"{where}: task: {unknown('task', str(task), CONFIGS)}"])
    try:
        # Strict JSON mode reads lists as tuples and integers as floats, and nothing else as what it is not.
        config = CONFIGS[task].model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise ConfigError(
            [f"{where}: {_problem(values, CONFIGS[task], detail)}" for detail in error.errors()]
        ) from None
    except TypeError as error:
        raise ConfigError([f"{where}: holds a value that is neither text, number, list nor keys: {error}"]) from None
    conflicts = list(config.conflicts())
    if conflicts:
        raise ConfigError([f"{where}: {conflict}" for conflict in conflicts])
    return config


def _problem(values: Any, section: type[Any], detail: ErrorDetails) -> str:
    path = _key_path(values, detail["loc"])
    kind, found, context = detail["type"], detail["input"], detail.get("ctx", {})
    key = ".".join(map(str, path))
    prefix = f"{key}: " if key else ""
    if kind == "extra_forbidden":
        names = _names_beside(section, detail["loc"])
        return f"{prefix}{unknown('key', str(path[-1]), names)}"
    if kind == "missing":
        return f"{prefix}missing, and there is no default"
    if kind in ("literal_error", "union_tag_invalid", "enum"):
        choices = re.findall(r"'([^']*)'", str(context.get("expected") or context.get("expected_tags")))
        if kind == "union_tag_invalid":
            prefix, found = f"{prefix[:-2]}.kind: " if key else "kind: ", context["tag"]
        return f"{prefix}{unknown('value', str(found), choices)}" if choices else f"{prefix}{detail['msg']}"
    if kind == "union_tag_not_found":
        return f"{prefix}needs a 'kind' that says which one it is"
    if kind == "value_error":
        return f"{prefix}{context['error']}"
    return f"{prefix}{detail['msg'].removeprefix('Input ')}, but is {found!r}"


def _key_path(values: Any, loc: Sequence[int | str]) -> list[int | str]:
    """Return `loc` without the tags of unions, which pydantic puts between the keys."""
    path: list[int | str] = []
    at = values
    for position, item in enumerate(loc):
        last = position == len(loc) - 1
        if isinstance(at, dict) and (item in at or last):
            path.append(item)
            at = at.get(item)
        elif isinstance(at, list) and isinstance(item, int):
            path.append(item)
            at = at[item] if item < len(at) else None
    return path


def _names_beside(section: type[Any], loc: Sequence[int | str]) -> list[str]:
    """Return the names that stand where the last item of `loc` was put."""
    schema = section.model_json_schema()
    at: Any = schema
    for item in loc[:-1]:
        at = _descend(schema, at, item)
    options = _options(schema, at)
    return sorted({name for option in options for name in option.get("properties", {})})


def _options(schema: dict[str, Any], at: Any) -> list[dict[str, Any]]:
    if "$ref" in at:
        return _options(schema, schema["$defs"][at["$ref"].rsplit("/", 1)[-1]])
    nested = at.get("anyOf") or at.get("oneOf")
    return [option for item in nested for option in _options(schema, item)] if nested else [at]


def _descend(schema: dict[str, Any], at: Any, item: int | str) -> Any:
    options = _options(schema, at)
    for option in options:
        if item in option.get("properties", {}):
            return option["properties"][item]
    for option in options:
        extra = option.get("additionalProperties")
        if isinstance(extra, dict):
            return extra
    tagged = [option for option in options if item == option.get("properties", {}).get("kind", {}).get("const")]
    return tagged[0] if tagged else at

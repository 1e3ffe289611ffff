"""YAML by the core schema of version 1.2. PyYAML follows 1.1, where `no` is false, 1e-3 is text and 010 is 8."""

from __future__ import annotations

import re
from typing import Any

import yaml

from attncli.errors import ConfigError


class _CoreLoader(yaml.SafeLoader):
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


def _integer(_loader: _CoreLoader, node: yaml.ScalarNode) -> int:
    text = node.value
    if text.startswith("0o"):
        return int(text[2:], 8)
    return int(text, 16) if text.startswith("0x") else int(text)


def _mapping(loader: _CoreLoader, node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise _wrong("a key must be text", key_node)
        # As it is written, so that a test set may be called 2016 or no.
        key = key_node.value
        if key in found:
            raise _wrong(f"the key {key!r} is there twice; keep one", key_node)
        found[key] = loader.construct_object(value_node, deep=True)
    return found


def _wrong(what: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, what, node.start_mark)


_CoreLoader.add_constructor("tag:yaml.org,2002:int", _integer)
_CoreLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def parse_yaml(text: str, *, where: str) -> Any:
    """Return what `text` says; keys are text as it is written. `where` begins the message of a ConfigError."""
    try:
        return yaml.load(text, Loader=_CoreLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f":{mark.line + 1}" if mark else ""
        what = ", ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError([f"{where}{line}: {what}"]) from None
    # PyYAML lets Python's own error through where a tag names a type that the text is not, as in `!!int x`.
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError([f"{where}: not YAML: {' '.join(str(error).split())}"]) from None

"""Writes configurations as YAML that `read_config` reads, and their JSON Schema."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

import yaml
from pydantic import TypeAdapter

from attncli.config.bases import BASE
from attncli.config.load import CONFIGS, Config


def to_yaml(config: Config) -> str:
    """Return `config` with all defaults, in the order of its sections."""
    values = config.model_dump(mode="json")
    return yaml.dump(
        values, Dumper=_CoreDumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )


class _CoreDumper(yaml.SafeDumper):
    """Quotes text that `read_config` would otherwise read as something else."""

    # PyYAML decides by the rules of YAML 1.1 which text needs quotes. Words like `no` then get quotes that they do not
    # need, but 1e-3 and 0o7, numbers in 1.2 and text in 1.1, would lack theirs.
    def represent_text(self, text: str) -> yaml.ScalarNode:
        looks_like_number = text[:1] in "+-.0123456789" and text != ""
        # Only double quotes keep line breaks other than LF as they are.
        has_breaks = any(character in text for character in "\r\x85\u2028\u2029")
        style = '"' if has_breaks else "'" if looks_like_number else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_CoreDumper.add_representer(str, _CoreDumper.represent_text)


def schema_of_whole_files() -> dict[str, Any]:
    """Return the JSON Schema of configuration files without a `base`."""
    adapter: TypeAdapter[Any] = TypeAdapter(reduce(or_, CONFIGS.values()))
    return adapter.json_schema()


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of configuration files, with and without a `base`."""
    whole = schema_of_whole_files()
    parts = {f"{_PART}{name}": _part(section) for name, section in whole["$defs"].items()}
    over_bases = [f"{_PART}{config.__name__}" for config in CONFIGS.values()]
    for name in over_bases:
        parts[name] |= {"properties": {BASE: _BASE_SCHEMA, **parts[name]["properties"]}, "required": [BASE]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {**whole["$defs"], **parts},
        "anyOf": [*whole["anyOf"], *({"$ref": f"{_DEFINITIONS}{name}"} for name in over_bases)],
    }


_DEFINITIONS, _PART = "#/$defs/", "PartOf"
_BASE_SCHEMA = {
    "type": "string",
    "minLength": 1,
    "description": "Path, relative to this file, of the configuration that this one changes.",
}


def _part(schema: dict[str, Any]) -> dict[str, Any]:
    """Return `schema` with every key optional, except within lists, which replace the base's as a whole."""
    part: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "$ref":
            part[key] = value.replace(_DEFINITIONS, f"{_DEFINITIONS}{_PART}")
        elif key in ("anyOf", "oneOf"):
            # Without `kind`, a section may match the schemas of several kinds, which `oneOf` would refuse.
            part["anyOf"] = [_part(option) for option in value]
        elif key == "properties":
            part[key] = {name: _part(inner) for name, inner in value.items()}
        elif key == "additionalProperties" and isinstance(value, dict):
            part[key] = _part(value)
        elif key not in ("required", "discriminator"):
            part[key] = value
    return part

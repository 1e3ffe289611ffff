"""Writes a configuration back: as YAML that `read_config` reads, and as JSON Schema."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

import yaml
from pydantic import TypeAdapter

from attncli.config.load import CONFIGS, Config


def to_yaml(config: Config) -> str:
    """Return the whole of `config`, defaults included, in the order of its sections."""
    values = config.model_dump(mode="json")
    return yaml.dump(
        values, Dumper=_CoreDumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )


class _CoreDumper(yaml.SafeDumper):
    """Quotes what `read_config` would not read as text."""

    # PyYAML decides by its own 1.1 rules what text needs quotes. Words like `no` then get some they do not need, but
    # 1e-3 and 0o7, which are numbers in 1.2 and text in 1.1, would miss theirs.
    def represent_text(self, text: str) -> yaml.ScalarNode:
        looks_like_number = text[:1] in "+-.0123456789" and text != ""
        # Only between double quotes are line breaks other than LF told apart.
        has_breaks = any(character in text for character in "\r\x85\u2028\u2029")
        style = '"' if has_breaks else "'" if looks_like_number else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_CoreDumper.add_representer(str, _CoreDumper.represent_text)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of configuration files."""
    adapter: TypeAdapter[Any] = TypeAdapter(reduce(or_, CONFIGS.values()))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **adapter.json_schema()}

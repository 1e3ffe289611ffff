"""Writes configurations as YAML that `read_config` reads."""

from __future__ import annotations

import math
from typing import Any

import yaml

from attncli.config.load import Config


def to_yaml(config: Config) -> str:
    """Return `config` with all defaults, in the order of its sections."""
    return values_to_yaml(config.model_dump(mode="json"))


def values_to_yaml(values: dict[str, Any]) -> str:
    """Return the `values` of a configuration, in their order."""
    return yaml.dump(
        values, Dumper=_CoreDumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )


def in_line(value: Any) -> str:
    """Return `value` as it may stand behind a key, on one line."""
    text = yaml.dump(
        value, Dumper=_CoreDumper, sort_keys=False, allow_unicode=True, default_flow_style=True, width=math.inf
    )
    return text.removesuffix("\n").removesuffix("\n...")


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

"""The keys and values that a configuration may have, by the shipped schema, without reading pydantic's classes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from attncli.config.shipped import SCHEMA

Schema = dict[str, Any]


class Keys:
    """The keys of configurations; of those for the task and the kinds in `values` where it has any."""

    def __init__(self, values: dict[str, Any] | None = None):
        self._schema: Schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
        self._values = values or {}

    def below(self, path: str) -> list[tuple[str, str]]:
        """Return what may follow in the section at the dotted `path`: `key=`, or `section.`, each with what it is."""
        found: dict[str, str] = {}
        for name, fields in self._fields(path).items():
            what = next((field["description"] for field in fields if "description" in field), "")
            inner = self._fields(f"{path}.{name}" if path else name)
            if inner:
                found[f"{name}."] = what
            if not inner or self._choices(fields):
                found[f"{name}="] = what
        return list(found.items())

    def values(self, path: str) -> list[str]:
        """Return the values among which to choose for the key at the dotted `path`, and its default."""
        above, _, name = path.rpartition(".")
        fields = self._fields(above).get(name, [])
        defaults = [_written(field["default"]) for field in fields if "default" in field]
        return list(dict.fromkeys([*self._choices(fields), *defaults]))

    def _choices(self, fields: list[Schema]) -> list[str]:
        found: list[str] = []
        for field in fields:
            found += map(_written, field.get("enum", [field["const"]] if "const" in field else []))
            if field.get("type") == "boolean":
                found += ["true", "false"]
        return found

    def _fields(self, path: str) -> dict[str, list[Schema]]:
        """Return the schemas of each key in the section at `path`."""
        nodes, values = [self._schema], self._values
        for name in path.split(".") if path else ():
            nodes = [field for node in nodes for each in self._parts(node, values) for field in self._named(each, name)]
            inner = values.get(name)
            values = inner if isinstance(inner, dict) else {}
        found: dict[str, list[Schema]] = {}
        for node in nodes:
            for part in self._parts(node, values):
                for key, field in part.get("properties", {}).items():
                    if key != "base" and isinstance(field, dict):
                        found.setdefault(key, []).extend(self._parts(field, {}))
        return found

    def _named(self, part: Schema, name: str) -> Iterator[Schema]:
        if name in part.get("properties", {}):
            yield part["properties"][name]
        elif isinstance(others := part.get("additionalProperties"), dict):
            yield others

    def _parts(self, node: Schema, values: dict[str, Any]) -> Iterator[Schema]:
        """Yield `node` and everything in it that applies to `values`, with references resolved."""
        if not isinstance(node, dict):
            return
        yield node
        if "$ref" in node:
            yield from self._parts(self._schema["$defs"][node["$ref"].rsplit("/", 1)[-1]], values)
        for each in node.get("allOf", ()):
            if "if" not in each or _applies(each["if"], values):
                yield from self._parts({key: part for key, part in each.items() if key != "if"}, values)
        for key in ("then", "else"):
            if key in node:
                yield from self._parts(node[key], values)
        for each in node.get("anyOf", ()):
            yield from self._parts(each, values)


def _applies(condition: Schema, values: dict[str, Any]) -> bool:
    """Tell whether a `condition` on the keys of a section holds for `values`."""
    if "not" in condition:
        # What a whole file must have is no choice.
        return condition["not"] != {"required": ["base"]} and not _applies(condition["not"], values)
    if "anyOf" in condition:
        return any(_applies(each, values) for each in condition["anyOf"])
    wanted = {key: field["const"] for key, field in condition.get("properties", {}).items() if "const" in field}
    return all(key in values for key in condition.get("required", ())) and all(
        values.get(key) == value for key, value in wanted.items()
    )


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)

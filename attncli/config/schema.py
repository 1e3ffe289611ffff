"""The JSON Schema of configuration files, by which editors complete and check them.

What a section holds depends on keys in it: the file on its `task`, many sections on their `kind`. pydantic writes these
as alternatives, of which a checker can only say that none fits. Here each is a condition with a consequence, so that
what is wrong is said of the one that was meant.

A file over a `base` may leave out any key. So each section is defined once without required keys, and what a whole file
needs is defined beside.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from typing import Any

from pydantic import TypeAdapter

from attncli.config.bases import BASE
from attncli.config.formats import FORMAT
from attncli.config.load import CONFIGS
from attncli.config.shipped import SCHEMA

Schema = dict[str, Any]

_DEFINITIONS = "#/$defs/"
_BASE_SCHEMA = {
    "type": "string",
    "minLength": 1,
    "description": "Path, relative to this file, of the configuration that this one changes.",
}
_SAID = ("description", "default")  # about a key, not about its values
_LEFT_OUT = (*_SAID, "title", "discriminator")
_LONGEST_REPEATED = 100  # characters of JSON; what is longer and repeated is defined once


def schema_of_whole_files() -> Schema:
    """Return the JSON Schema of configuration files without a `base`, as pydantic writes it."""
    adapter: TypeAdapter[Any] = TypeAdapter(reduce(or_, CONFIGS.values()))
    return adapter.json_schema()


def json_schema(task: str | None = None) -> Schema:
    """Return the JSON Schema of configuration files, with and without a `base`; of one `task` or of all."""
    tasks = [task] if task else list(CONFIGS)
    return _Schema(schema_of_whole_files()["$defs"], {each: CONFIGS[each].__name__ for each in tasks}).of_files()


def schema_text(task: str | None = None) -> str:
    """Return the JSON Schema as text, a key and a definition a line."""
    schema = json_schema(task)
    definitions = ",\n".join(f"    {_compact(name)}: {_compact(each)}" for name, each in schema.pop("$defs").items())
    head = "".join(f"  {_compact(key)}: {_compact(value)},\n" for key, value in schema.items())
    return f'{{\n{head}  "$defs": {{\n{definitions}\n  }}\n}}\n'


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class _Schema:
    """Rewrites pydantic's definitions, `given`; `tasks` are the names of those of whole files."""

    def __init__(self, given: Mapping[str, Schema], tasks: Mapping[str, str]):
        self._given, self._tasks = _with_names(given), tasks
        self._written: dict[str, Schema] = {}

    def of_files(self) -> Schema:
        """Return the schema of files."""
        is_base = {"required": [BASE]}
        task = {"description": "What the network learns.", "enum": list(self._tasks)}
        cases = [
            {"if": _has("task", name), "then": _reference(self._section(config))}
            for name, config in self._tasks.items()
        ]
        needed = [{"if": _has("task", name), "then": self._needed(config)} for name, config in self._tasks.items()]
        head: Schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"urn:attncli:configuration:{FORMAT}" + (f":{task['enum'][0]}" if len(self._tasks) == 1 else ""),
            "title": "attncli configuration",
            "description": "What an attncli run is: its task, data, network, training, search and evaluation.",
            "type": "object",
            "properties": {"task": task, BASE: _BASE_SCHEMA},
            "allOf": [
                *cases,
                {"if": {"not": {"required": ["task"]}}, "then": _reference(self._merged(list(self._tasks.values())))},
                {"if": {"not": is_base}, "then": {"required": ["task"], "allOf": needed}},
            ],
        }
        return {**head, "$defs": _with_repeated_once(self._written)}

    def _section(self, name: str) -> str:
        """Define the section `name` without required keys, and return the name of the definition."""
        if name not in self._written:
            self._written[name] = {}  # a place in the order of the file
            self._written[name] = self._keys(self._given[name], [self._given[name]["properties"]])
            if name in self._tasks.values():
                self._written[name]["properties"][BASE] = True
        return name

    def _keys(self, said: Schema, properties: list[Schema]) -> Schema:
        """Return the schema of a section that may have all the keys of `properties`."""
        found: dict[str, list[Schema]] = {}
        for each in properties:
            for key, field in each.items():
                found.setdefault(key, []).append(field)
        keys = {key: self._field(fields) for key, fields in found.items()}
        about = {"description": _one_line(said["description"])} if "description" in said else {}
        return {**about, "type": "object", "properties": keys, "additionalProperties": False}

    def _field(self, fields: list[Schema]) -> Schema:
        """Return the schema of a key that is any of `fields`."""
        said = {key: _one_line(value) for key, value in fields[0].items() if key in _SAID and _is_short(value)}
        return {**(said if len({_compact(each.get("default")) for each in fields}) == 1 else {}), **self._value(fields)}

    def _value(self, fields: list[Schema]) -> Schema:
        options = _different([option for field in fields for option in self._options(field)])
        sections = [option["$ref"].removeprefix(_DEFINITIONS) for option in options if "$ref" in option]
        others = [option for option in options if "$ref" not in option]
        if not sections:
            return self._joined(others)
        section = _reference(self._choice(sections))
        if not others:
            return section
        other = self._joined(others)
        if "enum" in other or "const" in other or "anyOf" in other:
            return {"if": {"type": "object"}, "then": section, "else": other}
        return {**other, "type": ["object", *_types(other)], "if": {"type": "object"}, "then": section}

    def _options(self, field: Schema) -> list[Schema]:
        """Return the alternatives of `field`: references to sections, and values."""
        if "$ref" in field:
            target = self._given[field["$ref"].removeprefix(_DEFINITIONS)]
            return [{"$ref": field["$ref"]}] if "properties" in target else self._options(target)
        nested = field.get("anyOf") or field.get("oneOf")
        if nested:
            return [option for each in nested for option in self._options(each)]
        return [{key: value for key, value in field.items() if key not in _LEFT_OUT}]

    def _joined(self, options: list[Schema]) -> Schema:
        """Return one schema for values of any of `options`, which are no sections."""
        choices = [each for each in options if "enum" in each or "const" in each]
        if choices and all("enum" in each or "const" in each or each["type"] == "null" for each in options):
            listed = [value for each in options for value in each.get("enum", [each.get("const")])]
            return {"enum": list(dict.fromkeys(listed))} if len(listed) > 1 else {"const": listed[0]}
        inner = {
            key: self._value([each[key] for each in options if isinstance(each.get(key), dict)])
            for key in ("items", "additionalProperties")
            if any(isinstance(each.get(key), dict) for each in options)
        }
        if "items" in inner:
            # A list replaces that of the base as a whole.
            needed = [self._needs_of_value(each["items"]) for each in options if "items" in each]
            inner["items"] = _both(inner["items"], needed[0])
        if len(options) > 1 and (choices or len({_types(each)[0] for each in options}) < len(options)) and not inner:
            return {"anyOf": options}
        types = list(dict.fromkeys(name for each in options for name in _types(each)))
        joined = {key: value for each in options for key, value in each.items() if key != "type"}
        return {"type": types[0] if len(types) == 1 else types, **joined, **inner}

    def _choice(self, sections: list[str]) -> str:
        """Define what is one of `sections`, and return the name of the definition."""
        sections = list(dict.fromkeys(sections))
        if len(sections) == 1:
            return self._section(sections[0])
        marks = self._marks(sections)
        if not marks:
            return self._merged(sections)
        name = _joined_name("Any", sections)
        if name not in self._written:
            self._written[name] = {}
            kinds = [
                condition["properties"]["kind"]["const"] for condition in marks.values() if "properties" in condition
            ]
            head: Schema = {"type": "object", **({"properties": {"kind": {"enum": kinds}}} if kinds else {})}
            unmarked = {"not": {"required": ["kind"]} if kinds else {"anyOf": list(marks.values())}}
            cases = [{"if": mark, "then": _reference(self._section(each))} for each, mark in marks.items()]
            self._written[name] = {
                **head,
                "allOf": [*cases, {"if": unmarked, "then": _reference(self._merged(sections))}],
            }
        return name

    def _merged(self, sections: list[str]) -> str:
        """Define a section that may have the keys of all `sections`, and return the name of the definition."""
        if len(sections) == 1:
            return self._section(sections[0])
        name = _joined_name("KeysOf", sections)
        if name not in self._written:
            self._written[name] = {}
            given = [self._given[each]["properties"] for each in sections]
            self._written[name] = self._keys({}, given)
            if set(sections) <= set(self._tasks.values()):
                self._written[name]["properties"][BASE] = True
        return name

    def _marks(self, sections: list[str]) -> dict[str, Schema]:
        """Return the condition that tells each of `sections` from the others, or none if that cannot be told."""
        kinds = {each: self._given[each]["properties"].get("kind", {}).get("const") for each in sections}
        if all(kinds.values()) and len(set(kinds.values())) == len(sections):
            return {each: _has("kind", kind) for each, kind in kinds.items()}
        marks = {}
        for each in sections:
            others = {key for other in sections if other != each for key in self._given[other]["properties"]}
            own = [key for key in self._given[each].get("required", ()) if key not in others]
            if not own:
                return {}
            marks[each] = {"anyOf": [{"required": [key]} for key in own]}
        return marks

    def _needed(self, name: str) -> Schema:
        """Return what the section `name` must have in a whole file; nothing if it may be empty."""
        section = self._given[name]
        below = {key: self._needs_of_value(field) for key, field in section["properties"].items()}
        below = {key: needs for key, needs in below.items() if needs}
        required = {"required": section["required"]} if "required" in section else {}
        return {**required, **({"properties": below} if below else {})}

    def _needs_of_value(self, field: Schema) -> Schema:
        options = self._options(field)
        by_name = [self._needs_of_value(each["additionalProperties"]) for each in options if _holds_sections(each)]
        if by_name and by_name[0]:
            return {"additionalProperties": by_name[0]}
        sections = [option["$ref"].removeprefix(_DEFINITIONS) for option in options if "$ref" in option]
        if len(sections) == 1:
            return self._needed_definition(sections[0])
        if not sections or not (marks := self._marks(sections)):
            return {}
        cases = [
            {"if": mark, "then": needs} for each, mark in marks.items() if (needs := self._needed_definition(each))
        ]
        first = _reference(self._section(sections[0]))
        is_kind = "properties" in marks[sections[0]]
        unmarked = {"not": {"required": ["kind"]} if is_kind else {"anyOf": list(marks.values())}}
        if is_kind and "discriminator" in json.dumps(field):
            return {"if": {"type": "object"}, "then": {"required": ["kind"], **({"allOf": cases} if cases else {})}}
        # Without its mark it is the first, which may need nothing.
        meant = _both(first, self._needed_definition(sections[0])) if is_kind else self._needed_definition(sections[0])
        return {"allOf": [*cases, {"if": {**unmarked, "type": "object"}, "then": meant}]}

    def _needed_definition(self, name: str) -> Schema:
        """Define what the section `name` must have, and return a reference to it, or nothing if it may be empty."""
        needed = self._needed(name)
        if not needed:
            return {}
        self._written.setdefault(f"{name}Needs", needed)
        return _reference(f"{name}Needs")


def _with_names(given: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return definitions of which each section has a name, also one that is written within another."""
    named = dict(given)
    for name, definition in given.items():
        if "anyOf" in definition:
            options = []
            for option in definition["anyOf"]:
                if "properties" in option:
                    named[f"{name}Keys"] = {**option, "description": definition.get("description", "")}
                    option = _reference(f"{name}Keys")
                options.append(option)
            named[name] = {**definition, "anyOf": options}
    return named


def _joined_name(start: str, sections: list[str]) -> str:
    more = f"And{len(sections) - 1}More" if len(sections) > 2 else f"And{sections[1]}"
    return f"{start}{sections[0]}{more}"


def _has(key: str, value: str) -> Schema:
    return {"required": [key], "properties": {key: {"const": value}}}


def _reference(name: str) -> Schema:
    return {"$ref": f"{_DEFINITIONS}{name}"}


def _both(one: Schema, other: Schema) -> Schema:
    if not other:
        return one
    return {"allOf": [one, other]} if set(one) & set(other) else {**one, **other}


def _types(schema: Schema) -> list[str]:
    found = schema.get("type", [])
    return [found] if isinstance(found, str) else list(found)


def _holds_sections(option: Schema) -> bool:
    return isinstance(option.get("additionalProperties"), dict)


def _different(options: Iterable[Schema]) -> list[Schema]:
    return list({_compact(option): option for option in options}.values())


def _is_short(value: Any) -> bool:
    return not isinstance(value, dict)


def _one_line(value: Any) -> Any:
    return " ".join(value.split()) if isinstance(value, str) else value


def _with_repeated_once(definitions: dict[str, Schema]) -> dict[str, Schema]:
    """Return `definitions` with each long schema of a key that several sections have defined once."""
    seen: dict[str, list[str]] = {}
    for definition in definitions.values():
        for key, field in definition.get("properties", {}).items():
            seen.setdefault(_compact(field), []).append(key)
    names: dict[str, str] = {}
    for text, keys in seen.items():
        if len(keys) > 1 and len(text) > _LONGEST_REPEATED:
            number = sum(name.split(".")[0] == keys[0] for name in names.values())
            names[text] = f"{keys[0]}.{number + 1}" if number else keys[0]

    def shared(definition: Schema) -> Schema:
        if "properties" not in definition:
            return definition
        keys = {
            key: _reference(names[text]) if (text := _compact(field)) in names else field
            for key, field in definition["properties"].items()
        }
        return {**definition, "properties": keys}

    return {
        **{name: shared(definition) for name, definition in definitions.items()},
        **{name: json.loads(text) for text, name in names.items()},
    }


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), encoding="utf-8")

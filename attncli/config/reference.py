"""Generates the page that explains every key of a configuration from the fields and their docstrings.

`python -m attncli.config.reference docs/configuration.md` writes it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from attncli.config.dump import schema_of_whole_files
from attncli.config.problems import written_number

Schema = dict[str, Any]

BOUNDS = {"minimum": "at least", "exclusiveMinimum": "over", "maximum": "at most", "exclusiveMaximum": "under"}

INTRODUCTION = """\
# Configuration

Every key of a configuration file: what it accepts, its default and what it does. `make docs` generates this page from
the docstrings in `attncli/config/`; edit it there.

- Files follow YAML 1.2: `1e-3` is a number, `no` is text, `010` is 10, and a duplicate key is an error.
- Unknown keys are refused, and all problems of a file are reported at once.
- Every number has a range, which the tables give. A file has at most 256 KiB and nests at most 50 levels deep; tags
  outside of YAML's core schema (`!!python/...`, `!!binary`) are refused.
- `--set KEY=VALUE` of `attncli train` and `attncli config` sets any key by its dotted path, such as
  `--set model.encoder.hidden_size=256`. The value is parsed as YAML, so `--set 'training.schedule={kind: cosine}'`
  replaces a section.
- `base: FILE`, a path relative to the file, inherits everything from another configuration; the file then lists only
  what differs. Sections are merged key by key and anything else is replaced; a section with another `kind` replaces the
  base's section as a whole. A base may have a base of its own.
- `attncli config check CONFIG` checks a file and counts its parameters, `attncli config show CONFIG` prints it with its
  bases merged and every default filled in, and `attncli config schema` prints a JSON Schema for editors.
"""


@dataclass(frozen=True)
class Place:
    """A section at a path of keys, with the key that distinguishes it from others possible there."""

    path: str
    mark: str | None
    schema: Schema
    task: str

    @property
    def heading(self) -> str:
        """The path and, where it has one, the mark."""
        path = f"`{self.path}`" if self.path else "The file"
        return path + (f" with `{self.mark}`" if self.mark else "")


def configuration_page() -> str:
    """Return the page as Markdown."""
    whole = schema_of_whole_files()
    places = _marked_by_task([place for task in _options(whole, whole) for place in _task_places(whole, task)])
    parts = [INTRODUCTION]
    for schema, group in _grouped(places):
        parts += _section(whole, schema, group)
    return "\n".join(parts)


def _task_places(whole: Schema, section: Schema) -> Iterator[Place]:
    task = section["properties"]["task"]["const"]
    yield Place("", None, section, task)
    for place in _places(whole, section, ""):
        yield replace(place, task=task)


def _marked_by_task(places: list[Place]) -> list[Place]:
    """Return `places` with the task as the mark of those whose section depends on the task."""
    found: dict[tuple[str, str | None], set[str]] = {}
    for place in places:
        found.setdefault((place.path, place.mark), set()).add(json.dumps(place.schema["properties"]))
    return [
        replace(place, mark=f"task: {place.task}") if place.mark is None and len(found[place.path, None]) > 1 else place
        for place in places
    ]


def _grouped(places: list[Place]) -> list[tuple[Schema, list[Place]]]:
    """Return each distinct section once with all its places, in the order of the file."""
    groups: dict[str, tuple[Schema, list[Place]]] = {}
    for place in places:
        groups.setdefault(json.dumps(place.schema["properties"]), (place.schema, []))[1].append(place)
    return list(groups.values())


def _places(whole: Schema, section: Schema, path: str) -> Iterator[Place]:
    """Yield the sections below `section`, depth first."""
    for name, field in section["properties"].items():
        options = _options(whole, field)
        below, key = options, f"{path}.{name}" if path else name
        if any("additionalProperties" in option and "properties" not in option for option in options):
            below = [inner for option in options for inner in _options(whole, option["additionalProperties"])]
            key = f"{key}.NAME"
        # A section that may also be given as a list of sections is described once.
        lists = [option["items"] for option in below if "properties" not in option and "items" in option]
        below = [*below, *(inner for items in lists for inner in _options(whole, items))]
        sections = list({json.dumps(option): option for option in below if "properties" in option}.values())
        for option in sections:
            yield Place(key, _mark(option) if len(sections) > 1 else None, option, task="")
            yield from _places(whole, option, key)


def _mark(section: Schema) -> str:
    """Return what distinguishes `section` from others: its kind, or the first key that it requires."""
    kinds = _kinds([section])
    return f"kind: {kinds[0]}" if kinds else str(section["required"][0])


def _kinds(options: list[Schema]) -> list[str]:
    """Return the `kind` of each section in `options` that has one."""
    found = (option.get("properties", {}).get("kind", {}).get("const") for option in options)
    return [kind for kind in found if kind]


def _options(whole: Schema, field: Schema) -> list[Schema]:
    """Return the alternatives of `field` with references resolved; they inherit its description."""
    if "$ref" in field:
        return _options(whole, whole["$defs"][field["$ref"].rsplit("/", 1)[-1]])
    nested = field.get("anyOf") or field.get("oneOf")
    if not nested:
        return [field]
    inherited = {"description": field.get("description", "")}
    return [{**inherited, **option} for item in nested for option in _options(whole, item)]


def _section(whole: Schema, schema: Schema, places: list[Place]) -> list[str]:
    title = ", ".join(dict.fromkeys(place.heading for place in places))
    is_kind = places[0].mark is not None and not places[0].mark.startswith("task: ")
    depth = 3 if "." in places[0].path or is_kind else 2
    described = dict.fromkeys(_one_line(place.schema["description"]) for place in places)
    rows = [_row(whole, schema, name, field) for name, field in schema["properties"].items()]
    table = ["| key | takes | default | |", "|---|---|---|---|", *rows]
    return [f"{'#' * depth} {title}\n", " ".join(described) + "\n", "\n".join(table) + "\n"]


def _row(whole: Schema, section: Schema, name: str, field: Schema) -> str:
    default = "required" if name in section.get("required", ()) else _shown_default(whole, field)
    cells = (f"`{name}`", _takes(whole, field), default, _one_line(field["description"]))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _shown_default(whole: Schema, field: Schema) -> str:
    value = field["default"]
    if isinstance(value, dict):
        several = len(_kinds(_options(whole, field))) > 1
        return f"`kind: {value['kind']}`" if several else "as below" if value else "none"
    return f"`{json.dumps(value, ensure_ascii=False)}`".replace('"', "")


def _takes(whole: Schema, field: Schema) -> str:
    options = _options(whole, field)
    kinds = _kinds(options)
    if len(kinds) > 1:
        return f"section with `kind` {', '.join(f'`{kind}`' for kind in kinds)}"
    return " or ".join(dict.fromkeys(_value(whole, option) for option in options))


def _value(whole: Schema, option: Schema) -> str:
    if "const" in option:
        return f"`{option['const']}`"
    if "enum" in option:
        return ", ".join(f"`{choice}`" for choice in option["enum"])
    kind = option["type"]
    if kind in ("integer", "number"):
        return _number(option)
    if kind == "array":
        items = option.get("prefixItems", [option.get("items")])
        length = f"{option.get('minItems', 0)} to {option['maxItems']}" if "maxItems" in option else "any length"
        return f"list of {len(items) if len(items) > 1 else length}: {_listed(whole, items[0])}"
    if kind == "object":
        return "section" if "properties" in option else "sections by name"
    return {"string": "text", "boolean": "`true`, `false`", "null": "`null`"}[str(kind)]


def _listed(whole: Schema, item: Schema) -> str:
    return " or ".join(dict.fromkeys(_value(whole, option) for option in _options(whole, item)))


def _number(option: Schema) -> str:
    word = "whole number" if option["type"] == "integer" else "number"
    if "minimum" in option and "maximum" in option:
        return f"{word} ({written_number(option['minimum'])} to {written_number(option['maximum'])})"
    limits = [f"{words} {written_number(option[key])}" for key, words in BOUNDS.items() if key in option]
    return f"{word} ({', '.join(limits)})" if limits else word


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(configuration_page(), encoding="utf-8")

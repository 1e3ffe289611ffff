"""Outlines configuration files by their schema: each section once, with the keys that it has for each task."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from attncli.config.schema import schema_of_whole_files

Schema = dict[str, Any]

# Data of different tasks share the names of keys, not what these hold.
_APART = "data"


@dataclass(frozen=True)
class Place:
    """A path of keys where a section may stand, with what tells it apart from others possible there.

    `mark` is a pair such as `kind: adam` or `task: captioning`, or the key that only this section has.
    """

    path: str
    mark: str | None = None

    @property
    def anchor(self) -> str:
        """The name of the place in links: `training.optimizer.adam`."""
        return ".".join(part for part in (self.path, (self.mark or "").rsplit(": ", 1)[-1]) if part) or "file"


@dataclass(frozen=True)
class Key:
    """A key as the tasks in `tasks` have it; `field` is its schema without references to others."""

    name: str
    field: Schema
    options: list[Schema]
    is_required: bool
    tasks: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """A section, the places where it may stand, and its keys; a key that tasks have in different forms has several.

    The description is Markdown.
    """

    places: tuple[Place, ...]
    description: str
    keys: tuple[Key, ...]
    tasks: tuple[str, ...]


@dataclass(frozen=True)
class _Found:
    place: Place
    above: str | None
    schema: Schema
    task: str

    @property
    def content(self) -> str:
        return json.dumps(self.schema["properties"])


def outline() -> list[Section]:
    """Return every section of every kind of configuration, in the order of the file."""
    whole = schema_of_whole_files()
    found = _told_apart([each for task in resolved(whole, whole) for each in _of_task(whole, task)])
    by_place: dict[Place, list[_Found]] = {}
    for each in found:
        by_place.setdefault(each.place, []).append(each)
    return _joined([_section(whole, group) for group in by_place.values()])


def kinds(options: list[Schema]) -> list[str]:
    """Return the `kind` of each section in `options` that has one."""
    found = (option.get("properties", {}).get("kind", {}).get("const") for option in options)
    return [kind for kind in found if kind]


def resolved(whole: Schema, field: Schema) -> list[Schema]:
    """Return the alternatives of `field` with references resolved; they inherit its description."""
    if "$ref" in field:
        return resolved(whole, whole["$defs"][field["$ref"].rsplit("/", 1)[-1]])
    nested = field.get("anyOf") or field.get("oneOf")
    if not nested:
        below = [key for key in ("items", "additionalProperties") if isinstance(field.get(key), dict)]
        return [{**field, **{f"resolved_{key}": resolved(whole, field[key]) for key in below}}]
    inherited = {"description": field.get("description", "")}
    return [{**inherited, **option} for item in nested for option in resolved(whole, item)]


def _of_task(whole: Schema, section: Schema) -> Iterator[_Found]:
    task = section["properties"]["task"]["const"]
    yield _Found(Place(""), None, section, task)
    yield from (replace(found, task=task) for found in _below(whole, section, "", None))


def _below(whole: Schema, section: Schema, path: str, above: str | None) -> Iterator[_Found]:
    """Yield the sections below `section`, depth first."""
    for name, field in section["properties"].items():
        key = f"{path}.{name}" if path else name
        options = resolved(whole, field)
        named = [inner for option in options for inner in option.get("resolved_additionalProperties", ())]
        if named and not any("properties" in option for option in options):
            options, key = named, f"{key}.NAME"
        # A section that may also be given as a list of sections is described once.
        options = [*options, *(inner for option in options for inner in option.get("resolved_items", ()))]
        sections = list({json.dumps(option): option for option in options if "properties" in option}.values())
        for option in sections:
            mark = _mark(option) if len(sections) > 1 else None
            yield _Found(Place(key, mark), above, option, task="")
            yield from _below(whole, option, key, mark or above)


def _mark(section: Schema) -> str:
    """Return what distinguishes `section` from others: its kind, or the first key that it requires."""
    found = kinds([section])
    return f"kind: {found[0]}" if found else str(section["required"][0])


def _told_apart(found: list[_Found]) -> list[_Found]:
    """Return `found` with a mark for each place that would otherwise mean sections that have little in common."""
    contents: dict[tuple[str, str | None, str], set[str]] = {}
    for each in found:
        contents.setdefault((each.place.path, each.place.mark, each.task), set()).add(each.content)
        contents.setdefault((each.place.path, each.place.mark, ""), set()).add(each.content)

    def marked(each: _Found) -> _Found:
        path, mark = each.place.path, each.place.mark
        if mark is None and len(contents[path, mark, each.task]) > 1:
            return replace(each, place=Place(path, each.above))
        if mark is None and path.split(".")[0] == _APART and len(contents[path, mark, ""]) > 1:
            return replace(each, place=Place(path, f"task: {each.task}"))
        return each

    return [marked(each) for each in found]


def _section(whole: Schema, found: list[_Found]) -> Section:
    forms: dict[str, dict[str, Key]] = {}
    for each in found:
        for name, field in each.schema["properties"].items():
            form = forms.setdefault(name, {})
            new = Key(name, field, resolved(whole, field), name in each.schema.get("required", ()), (each.task,))
            content = json.dumps([_seen(field, new.options), new.is_required])
            form[content] = replace(new, tasks=(*form.get(content, replace(new, tasks=())).tasks, each.task))
    return Section(
        places=(found[0].place,),
        description=_told({f"**{each.task}**": " ".join(each.schema["description"].split()) for each in found}),
        keys=tuple(key for form in forms.values() for key in form.values()),
        tasks=tuple(dict.fromkeys(each.task for each in found)),
    )


def _told(descriptions: dict[str, str]) -> str:
    """Return the one description, or a list of those that differ, each after what it is of."""
    of: dict[str, list[str]] = {}
    for label, text in descriptions.items():
        of.setdefault(text, []).append(label)
    return (
        next(iter(of)) if len(of) == 1 else "\n".join(f"- {', '.join(labels)}: {text}" for text, labels in of.items())
    )


def _seen(field: Schema, options: list[Schema]) -> list[object]:
    """Return what a reader is told of a key, for which sections below are sections whatever they hold."""
    several = len(kinds(options)) > 1
    told = [(kinds([option]) if several else "section") if "properties" in option else option for option in options]
    default = field.get("default")
    is_section = isinstance(default, dict) and not several
    return [field.get("description"), "default" in field, "section" if is_section else default, told]


def _joined(sections: list[Section]) -> list[Section]:
    """Return `sections` with those that have the same keys made one, with the places of all."""
    groups: dict[str, list[Section]] = {}
    for section in sections:
        content = json.dumps([[key.name, key.field, key.tasks == section.tasks] for key in section.keys])
        groups.setdefault(content, []).append(section)
    return [
        replace(
            group[0],
            places=tuple(place for section in group for place in section.places),
            description=_told({f"`{section.places[0].path}`": section.description for section in group}),
            tasks=tuple(dict.fromkeys(task for section in group for task in section.tasks)),
        )
        for group in groups.values()
    ]

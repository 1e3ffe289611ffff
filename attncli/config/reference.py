"""Generates the pages that explain every key of a configuration from the fields and their docstrings.

`python -m attncli.config.reference docs/reference/configuration` writes them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from attncli.config.outline import Key, Place, Schema, Section, kinds, outline
from attncli.config.problems import written_number
from attncli.config.units import unit

PAGES = {
    "": ("index", "Configuration"),
    "data": ("data", "Data"),
    "tokenizer": ("tokenizer", "Tokenizer"),
    "model": ("model", "Model"),
    "model.encoder": ("encoder", "Encoder"),
    "model.attention": ("attention", "Attention"),
    "model.decoder": ("decoder", "Decoder"),
    "training": ("training", "Training"),
    "search": ("search", "Search"),
    "evaluation": ("evaluation", "Evaluation"),
}
"""The name and title of the page of each path of keys, and of all below it that have no page of their own."""

_MADE = """\
---
search: {boost: 4} # who looks for a key means the key, not the pages that mention it
---
<!-- Made by `make docs` from the docstrings in attncli/config/; edit it there. -->
"""

_INTRODUCTION = """\
A configuration is a YAML file that says what a run is: its task, data, network, training, search and evaluation. These
pages explain every key.

- Files follow YAML 1.2: `1e-3` is a number, `no` is text, `010` is 10, and a duplicate key is an error.
- Unknown keys are refused, and all problems of a file are reported at once.
- Every number has a range. A file has at most 256 KiB and nests at most 50 levels deep; tags outside of YAML's core
  schema (`!!python/...`, `!!binary`) are refused.
- `--set KEY=VALUE` sets any key by its dotted path, such as `--set model.encoder.hidden_size=256`. The value is parsed
  as YAML, so `--set 'training.schedule={kind: cosine}'` replaces a section.
- `base: FILE`, a path relative to the file, inherits everything from another configuration; the file then lists only
  what differs. Sections are merged key by key and anything else is replaced; a section with another `kind` replaces the
  base's section as a whole. A base may have a base of its own.
- [`attncli config check`](../commands/config.md) checks a file and counts its parameters, `attncli config show` prints
  it with its bases merged and every default filled in, and `attncli config schema` prints a JSON Schema for editors.
"""

_BOUNDS = {"minimum": "at least", "exclusiveMinimum": "over", "maximum": "at most", "exclusiveMaximum": "under"}


def configuration_pages() -> dict[str, str]:
    """Return every page as Markdown by the name of its file."""
    sections = outline()
    return {f"{name}.md": _page(path, title, sections) for path, (name, title) in PAGES.items()}


def _page(path: str, title: str, sections: list[Section]) -> str:
    parts = [_MADE, f"# {title}\n"]
    if not path:
        parts += [_INTRODUCTION]
    for section in sections:
        if _page_of(section.places[0].path) == path:
            parts += _described(section, sections)
    for section in sections:
        here = [place for place in section.places if _page_of(place.path) == path]
        if here and section.places[0] not in here:
            parts += [f"## {_heading(here)} {{ #{here[0].anchor} }}\n", _elsewhere(section, path)]
    return "\n".join(parts)


def _page_of(path: str) -> str:
    """Return the path that has a page and is nearest to `path`, itself or above it."""
    while path not in PAGES:
        path = path.rpartition(".")[0]
    return path


def _heading(places: Iterable[Place]) -> str:
    """Return the places of a section in words; the same mark is said once."""
    marks: dict[str | None, list[str]] = {}
    for place in places:
        marks.setdefault(place.mark, []).append(f"`{place.path}`" if place.path else "The file")
    return ", ".join(", ".join(paths) + (f" with `{mark}`" if mark else "") for mark, paths in marks.items())


def _elsewhere(section: Section, path: str) -> str:
    first = section.places[0]
    return f"Has the keys of [{_heading([first])}]({_link(first, path)}).\n"


def _link(place: Place, path: str) -> str:
    """Return the address of `place` as seen from the page of `path`."""
    there = _page_of(place.path)
    return ("" if there == _page_of(path) else f"{PAGES[there][0]}.md") + f"#{place.anchor}"


def _described(section: Section, sections: list[Section]) -> list[str]:
    first = section.places[0]
    parts = [f"## {_heading(section.places)} {{ #{first.anchor} }}\n", section.description + "\n"]
    described: set[str] = set()
    taken = {place.anchor for each in sections for place in each.places}
    for key in section.keys:
        if key.name not in described:
            anchor = f"{first.anchor}.{key.name}"
            # The section that a key holds has the address of its path.
            parts += [f"### `{key.name}` {{ #{anchor}{'-key' if anchor in taken else ''} }}\n"]
        described.add(key.name)
        parts += [_facts(key, section, sections) + "\n", _one_line(key.field["description"]) + "\n"]
    return parts


def _facts(key: Key, section: Section, sections: list[Section]) -> str:
    """Return the line of `key`: its whole path, type, range, unit and default, and the tasks that have it."""
    path = f"{section.places[0].path}.{key.name}".lstrip(".")
    below = _below(path, key, section, sections)
    numbers = [number for option in key.options for number in _numbers(option)]
    facts = {
        "Type": _type(key, {mark: _link(place, section.places[0].path) for mark, place in below.items()}),
        "Range": " or ".join(dict.fromkeys(filter(None, map(_range, numbers)))),
        "Unit": (numbers and unit(path)) or "",
        "Default": "required" if key.is_required else _shown_default(key),
        "Tasks": ", ".join(key.tasks) if key.tasks != section.tasks else "",
    }
    return " · ".join([f"`{path}`", *(f"**{name}:** {value}" for name, value in facts.items() if value)])


def _below(path: str, key: Key, section: Section, sections: list[Section]) -> dict[str | None, Place]:
    """Return where the sections that `key` holds are described, by their marks.

    They are sections of its tasks, and those of its own section's mark if that marks them, too.
    """
    found = {
        place.mark: next(first for first in each.places if _page_of(first.path) == _page_of(place.path))
        for each in sections
        if set(each.tasks) & set(key.tasks)
        for place in each.places
        if place.path in (path, f"{path}.NAME")
    }
    marks = {place.mark for place in section.places if place.mark}
    return {mark: place for mark, place in found.items() if mark in marks} or found


def _type(key: Key, below: dict[str | None, str]) -> str:
    """Return what `key` takes; `below` has the links of the sections that it holds by their marks."""
    found = kinds(key.options)
    if len(found) > 1:
        links = [f"[`{kind}`]({below['kind: ' + kind]})" for kind in found]
        return f"section with `kind` {', '.join(links)}"
    if len(below) > 1:
        return f"section with {' or '.join(f'[`{mark}`]({link})' for mark, link in below.items())}"
    words = dict.fromkeys(_value(option) for option in key.options)
    link = next(iter(below.values()), "")
    return " or ".join(f"[{word}]({link})" if word.startswith("section") else word for word in words)


def _value(option: Schema) -> str:
    if "const" in option:
        return f"`{option['const']}`"
    if "enum" in option:
        return ", ".join(f"`{choice}`" for choice in option["enum"])
    kind = str(option["type"])
    if kind == "array":
        items = option.get("resolved_items") or option["prefixItems"][:1]
        return f"list of {_length(option)}" + " or ".join(dict.fromkeys(map(_value, items)))
    if kind == "object":
        return "section" if "properties" in option else "sections by name"
    words = {"integer": "whole number", "string": "text", "boolean": "`true`, `false`", "null": "`null`"}
    return words.get(kind, kind)


def _length(option: Schema) -> str:
    if "prefixItems" in option:
        return f"{len(option['prefixItems'])}: "
    return f"{option.get('minItems', 0)} to {option['maxItems']}: " if "maxItems" in option else ""


def _numbers(option: Schema) -> list[Schema]:
    """Return the numbers that `option` is or lists."""
    if "prefixItems" in option:
        return [option["prefixItems"][0]]
    found = [option, *option.get("resolved_items", ())]
    return [each for each in found if each.get("type") in ("integer", "number")]


def _range(number: Schema) -> str:
    if "minimum" in number and "maximum" in number:
        return f"{written_number(number['minimum'])} to {written_number(number['maximum'])}"
    return ", ".join(f"{words} {written_number(number[key])}" for key, words in _BOUNDS.items() if key in number)


def _shown_default(key: Key) -> str:
    value = key.field["default"]
    if isinstance(value, dict):
        several = len(kinds(key.options)) > 1
        return f"`kind: {value['kind']}`" if several else "the defaults of its keys" if value else "none"
    return f"`{json.dumps(value, ensure_ascii=False)}`".replace('"', "")


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    for name, page in configuration_pages().items():
        (Path(sys.argv[1]) / name).write_text(page, encoding="utf-8")

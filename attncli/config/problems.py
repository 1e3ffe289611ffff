"""Turns the errors that pydantic finds in a configuration into messages."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any, get_args

from pydantic_core import ErrorDetails

from attncli.config.section import Section
from attncli.errors import escaped, shortened, unknown

_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("over", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("under", "lt"),
}
# What is asked for, by the beginning of the kind of pydantic's error.
_WANTED = {"int_": "an integer", "float_": "a number", "string_": "text", "bool_": "true or false", "tuple_": "a list"}


def explained(detail: ErrorDetails, section: type[Section], values: Any) -> str:
    """Return `key: what is wrong` for one problem of `values`, read as a `section`."""
    path, what = _key_path(values, detail), _what(detail, section)
    if detail["type"] == "union_tag_invalid":
        path.append("kind")
    key = ".".join(escaped(shortened(str(part))) for part in path)
    return f"{key}: {what}" if key else what


def _what(detail: ErrorDetails, section: type[Section]) -> str:
    kind, location, context = detail["type"], detail["loc"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return unknown("key", str(location[-1]), _names_beside(section, location))
    if kind == "missing":
        return "missing, and there is no default"
    if kind == "literal_error":
        return unknown("value", as_written(detail["input"]), re.findall(r"'([^']*)'", context["expected"]))
    if kind == "union_tag_invalid":
        return unknown("value", str(context["tag"]), _kinds(section, location))
    if kind == "union_tag_not_found" and isinstance(detail["input"], dict):
        return f"needs a 'kind'; choose from {', '.join(_kinds(section, location))}"
    if kind == "value_error":
        return str(context["error"])
    return f"{_demand(detail, _kinds(section, location))}, but is {shown_value(detail['input'])}"


def _demand(detail: ErrorDetails, kinds: Sequence[str]) -> str:
    """Return what a value should be."""
    kind = detail["type"]
    if kind in ("model_type", "model_attributes_type", "dict_type", "union_tag_not_found"):
        return "needs keys of its own" + (f", such as 'kind' ({', '.join(kinds)})" if kinds else "")
    if kind == "too_long":
        return f"takes at most {detail['ctx']['max_length']} items"
    if kind == "too_short":
        return f"takes at least {detail['ctx']['min_length']} item"
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"should be {words} {written_number(detail['ctx'][key])}"
    for start, wanted in _WANTED.items():
        if kind.startswith(start):
            return f"should be {wanted}"
    return detail["msg"].removeprefix("Input ")


def as_written(found: Any) -> str:
    """Return `found` as it may stand in the file, text without quotes."""
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def written_number(number: float) -> str:
    """Return a bound of a range as people write it, such as 2^63 or 10^9."""
    for base in (2, 10):
        exponent = round(math.log(number, base)) if number > 10**5 else 0
        if exponent and number == base**exponent:
            return f"{base}^{exponent}"
    return f"{int(number):,}" if number == int(number) else f"{number:g}"


def shown_value(found: Any) -> str:
    """Return `found` for a message: text in quotes, and what is long by its beginning."""
    return repr(shortened(found)) if isinstance(found, str) else escaped(shortened(as_written(found)))


def _key_path(values: Any, detail: ErrorDetails) -> list[int | str]:
    """Return the keys that lead to a problem, without the tags of unions that pydantic puts between them."""
    path: list[int | str] = []
    at = values
    for item in detail["loc"]:
        is_key = item in at if isinstance(at, dict) else isinstance(at, list) and item in range(len(at))
        if is_key:
            path.append(item)
            at = at[item]
    return [*path, detail["loc"][-1]] if detail["type"] == "missing" else path


def _names_beside(section: type[Section], location: Sequence[int | str]) -> list[str]:
    """Return the keys that are valid where the last item of `location` was found."""
    return sorted({name for found in _sections_at(section, location[:-1]) for name in found.model_fields})


def _kinds(section: type[Section], location: Sequence[int | str]) -> list[str]:
    """Return the kinds to choose from at `location`."""
    return [str(kind) for found in _sections_at(section, location) if (kind := _kind(found))]


def _kind(section: type[Section]) -> Any:
    field = section.model_fields.get("kind")
    if field is None:
        return None
    return get_args(field.annotation)[0] if field.is_required() else field.default


def _sections_at(section: type[Section], location: Sequence[int | str]) -> list[type[Section]]:
    """Return the sections that are possible at `location` of a `section`."""
    found = [section]
    for item in location:
        fields = [at.model_fields[str(item)].annotation for at in found if item in at.model_fields]
        if fields:
            found = [inner for field in fields for inner in _sections_in(field)]
        else:  # the tag of a union, which narrows it to one member if it is a kind, or the name of a test set
            found = [at for at in found if _kind(at) == item] or found
    return found


def _sections_in(annotation: Any) -> list[type[Section]]:
    if arguments := get_args(annotation):
        return [inner for argument in arguments for inner in _sections_in(argument)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, Section) else []

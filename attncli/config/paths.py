"""The files and folders that a configuration names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from attncli.config.load import Config
from attncli.config.quantities import PathText
from attncli.config.section import Section

_MADE = ("cache",)  # what training makes itself
_MARKS = get_args(PathText)[1:]


def missing_paths(config: Config) -> Iterator[str]:
    """Yield `key: path: no such file or folder` for everything that `config` names and that is not there."""
    root = Path(config.data.root)
    if not root.is_dir():
        yield f"data.root: {root}: no such folder"
        return
    for key, text in named_paths(config):
        path = root / text if key.startswith("data.") else Path(text)
        if key != "data.root" and not path.exists():
            yield f"{key}: {path}: no such file or folder"


def named_paths(section: Section, parent: str = "") -> Iterator[tuple[str, str]]:
    """Yield the key and the text of every path in `section`."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        key = f"{parent}{name}"
        if isinstance(value, Section):
            yield from named_paths(value, f"{key}.")
        elif isinstance(value, dict):
            for inner, each in value.items():
                yield from named_paths(each, f"{key}.{inner}.") if isinstance(each, Section) else ()
        elif isinstance(value, tuple):
            for number, each in enumerate(value):
                yield from named_paths(each, f"{key}.{number}.") if isinstance(each, Section) else ()
        elif isinstance(value, str) and name not in _MADE and _is_path(field.annotation, field.metadata):
            yield key, value


def _is_path(annotation: Any, metadata: Any) -> bool:
    return any(mark in metadata for mark in _MARKS) or any(
        _is_path(inner, getattr(inner, "__metadata__", ())) for inner in get_args(annotation)
    )

"""The key `base`, by which a file gives only its differences from another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attncli.config.yaml_core import parse_yaml
from attncli.errors import ConfigError

BASE = "base"


@dataclass(frozen=True)
class FileValues:
    """The values of a configuration file, including those of its bases."""

    values: dict[str, Any]
    inherited: Mapping[str, str] = field(default_factory=dict)  # dotted key -> the base that sets it


def read_values(path: Path) -> FileValues:
    """Return the values of the file `path` over those of its bases; a ConfigError names the file that is wrong."""
    return _read(path, above=())


def _read(path: Path, above: tuple[Path, ...]) -> FileValues:
    """Return the values of `path`, reached by `base` through the files `above`, outermost first."""
    if path.resolve() in (file.resolve() for file in above):
        chain = " -> ".join(map(str, (*above, path)))
        raise ConfigError([f"{above[-1]}: base: leads back to a file that it is a base of: {chain}"])
    values = parse_yaml(_text(path, above), where=str(path))
    if not isinstance(values, dict):
        raise ConfigError([f"{path}: holds no keys; a configuration starts with 'task: translation'"])
    if BASE not in values:
        return FileValues(values)
    name = values.pop(BASE)
    if not isinstance(name, str) or not name:
        raise ConfigError([f"{path}: base: should be the path of a configuration, from this file on, but is {name!r}"])
    below = path.parent / name
    base = _read(below, (*above, path))
    merged, own = merged_values(base.values, values), set(_leaves(values))
    inherited = {key: base.inherited.get(key, str(below)) for key in _leaves(merged) if key not in own}
    return FileValues(merged, inherited)


def _text(path: Path, above: tuple[Path, ...]) -> str:
    whose = f" (the base of {above[-1]})" if above else ""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError([f"{path}: no such file{whose}"]) from None
    except IsADirectoryError:
        raise ConfigError([f"{path}: is a folder, not a configuration file{whose}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: not UTF-8 text, so not a configuration file{whose}"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read{whose}: {error.strerror}"]) from None


def merged_values(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with `changes`: sections are joined key by key, and anything else is replaced.

    A section with another `kind` than that of `base` replaces it as a whole, since keys of one kind mean nothing to
    another.
    """
    merged = dict(base)
    for key, value in changes.items():
        before = merged.get(key)
        if isinstance(before, dict) and isinstance(value, dict) and value.get("kind", ...) in (..., before.get("kind")):
            merged[key] = merged_values(before, value)
        else:
            merged[key] = value
    return merged


def _leaves(values: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield the dotted key of every value that is not a section, and of every empty section."""
    for name, value in values.items():
        key = f"{path}.{name}" if path else name
        if isinstance(value, dict) and value:
            yield from _leaves(value, key)
        else:
            yield key

"""The key `base`, by which a file gives only its differences from another one."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attncli.config.problems import shown_value
from attncli.config.shipped import hint_for, shipped_file
from attncli.config.yaml_core import LARGEST, parse_yaml
from attncli.errors import ConfigError, escaped

BASE = "base"
_MOST_BASES = 20


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
    # Not Path.resolve, which raises RuntimeError for links in a circle.
    if os.path.realpath(path) in map(os.path.realpath, above):
        chain = " -> ".join(map(_shown, (*above, path)))
        raise ConfigError([f"{_shown(above[-1])}: base: leads back to a file that it is a base of: {chain}"])
    if len(above) > _MOST_BASES:
        raise ConfigError(
            [f"{_shown(above[-1])}: base: more than {_MOST_BASES} bases, each the base of the one before"]
        )
    values = parse_yaml(_text(path, above), where=_shown(path))
    if not isinstance(values, dict):
        raise ConfigError([f"{_shown(path)}: holds no keys; a configuration starts with 'task: translation'"])
    if BASE not in values:
        return FileValues(values)
    name = values.pop(BASE)
    if not isinstance(name, str) or not name or "\0" in name:
        what = "should be the path of a configuration, relative to this file"
        raise ConfigError([f"{_shown(path)}: base: {what}, but is {shown_value(name)}"])
    below = path.parent / name
    if (shipped := shipped_file(name)) and not below.is_file():
        below = shipped
    base = _read(below, (*above, path))
    merged, own = merged_values(base.values, values), set(_leaves(values))
    inherited = {key: base.inherited.get(key, _shown(below)) for key in _leaves(merged) if key not in own}
    return FileValues(merged, inherited)


def _text(path: Path, above: tuple[Path, ...]) -> str:
    whose = f" (the base of {_shown(above[-1])})" if above else ""
    try:
        # The user may name a pipe, such as <(command) in a shell; a base that is one could keep us waiting for ever.
        if above and not stat.S_ISREG(mode := path.stat().st_mode) and not stat.S_ISDIR(mode):
            raise ConfigError([f"{_shown(path)}: is a device or a pipe, not a file{whose}"])
        with path.open("rb") as file:
            found = file.read(LARGEST + 1)
        if len(found) > LARGEST:
            raise ConfigError([f"{_shown(path)}: over {LARGEST >> 10} KiB, so not a configuration{whose}"])
        return found.decode()
    except FileNotFoundError:
        hint = whose if above else escaped(hint_for(str(path)))
        raise ConfigError([f"{_shown(path)}: no such file{hint}"]) from None
    except IsADirectoryError:
        raise ConfigError([f"{_shown(path)}: is a folder, not a configuration file{whose}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{_shown(path)}: not UTF-8 text, so not a configuration file{whose}"]) from None
    except OSError as error:
        raise ConfigError([f"{_shown(path)}: cannot be read{whose}: {error.strerror}"]) from None


def _shown(path: Path) -> str:
    return escaped(str(path))


def merged_values(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with `changes`: sections are joined key by key, and anything else is replaced.

    A section with another `kind` than that of `base` replaces it as a whole, since keys of one kind mean nothing to
    another.
    """
    merged = dict(base)
    for key, value in changes.items():
        before = merged.get(key)
        if (
            isinstance(before, dict)
            and isinstance(value, dict)
            and value.get("kind", before.get("kind")) == before.get("kind")
        ):
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

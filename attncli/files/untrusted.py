"""Files of a folder from elsewhere, and JSON in them: only what is regular, inside and bounded is read."""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path
from typing import Any

from attncli.errors import RunError
from attncli.files.reading import unreadable

_LARGEST = 1 << 26  # bytes of a file of a run that is read whole


def parse_json(text: str) -> Any:
    """Return the value of `text`, strict JSON.

    Raises ValueError for anything else, and so for NaN, infinite numbers such as 1e999, and nesting thousands deep.
    """
    try:
        return json.loads(text, parse_constant=_finite, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def shown_json(value: object) -> str:
    """Return what a message shows of a JSON value that should be another one."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return json.dumps(value)[:60]


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


def file_inside(folder: Path, name: str) -> Path:
    """Return the path of the file `name` in `folder`, which may come from a stranger.

    Only regular files inside the folder are read: a link that leads out of it would show what is elsewhere, and a
    device or a pipe may never end. Raises RunError for those and for a file that is missing.
    """
    path = folder / name
    if not is_inside(path, folder):
        real = os.path.realpath(path)
        raise RunError(f"{path}: leads out of the folder, to {real}; only files inside it are read")
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise RunError(str(unreadable(path, error))) from None
    if not stat.S_ISREG(mode):
        raise RunError(f"{path}: is {'a folder' if stat.S_ISDIR(mode) else 'a device or a pipe'}, not a file")
    return path


def is_inside(path: Path, folder: Path) -> bool:
    """Tell whether `path` is in `folder` once all links are followed."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def read_inside(folder: Path, name: str) -> bytes:
    """Return the bytes of the file `name` in `folder`, as `file_inside` finds it; raises RunError where it cannot."""
    path = folder / name
    try:
        with file_inside(folder, name).open("rb") as file:
            found = file.read(_LARGEST + 1)
    except OSError as error:
        raise RunError(str(unreadable(path, error))) from None
    if len(found) > _LARGEST:
        raise RunError(f"{path}: holds more than {_LARGEST >> 20} MiB, so it is not a file that attncli wrote")
    return found


def json_inside(folder: Path, name: str) -> dict[str, Any]:
    """Return the JSON object in the file `name` of `folder` (see `read_inside`); raises RunError if it is damaged."""
    try:
        found = parse_json(read_inside(folder, name).decode())
    except ValueError as error:  # UnicodeDecodeError is one
        raise RunError(f"{folder / name}: damaged: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise RunError(f"{folder / name}: damaged: not a JSON object, but {shown_json(found)}")
    return found

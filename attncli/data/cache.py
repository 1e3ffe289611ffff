"""A cache of folders: each made once, either complete or absent, and made again when damaged."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import platformdirs

from attncli.errors import DataError
from attncli.files.reading import unreadable
from attncli.files.untrusted import parse_json
from attncli.files.writing import write_text

Value = TypeVar("Value")

_MAKING = ".making-"
# Longer than making any entry takes: where machines share a cache, none can tell whether another's process still lives.
_ABANDONED_AFTER = 2 * 24 * 3600.0  # seconds without a change


class DamagedError(Exception):
    """A cached folder that is missing, or does not hold what was written into it."""


def cache_folder(configured: str | None) -> Path:
    """Return `configured`, or else the folder `attncli` among the user's caches, such as `~/.cache/attncli`.

    Raises DataError for a user without a home folder.
    """
    if configured is not None:
        return Path(configured)
    try:
        folder = platformdirs.user_cache_path("attncli", appauthor=False)
    except RuntimeError:
        folder = Path("~")
    if folder.parts[0] != "~":  # older versions of platformdirs return it as it is where there is no home
        return folder
    raise DataError(
        "no folder for the cache: HOME is not set, and the system knows no home folder of this user; name a folder "
        "with data.cache"
    )


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of the content of `path`, or raise a DataError if it cannot be read."""
    total = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                total.update(block)
    except OSError as error:
        raise unreadable(path, error) from None
    return total.hexdigest()


def key_of(facts: dict[str, Any]) -> str:
    """Return a folder name for `facts`; different facts give different names."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def write_description(path: Path, description: dict[str, Any], *, format: int) -> None:
    """Write what a cached folder holds, as JSON with a checksum of its own."""
    facts = {**description, "format": format}
    write_text(path, json.dumps({**facts, "sum": _sum(facts)}, indent=2) + "\n")


def read_description(path: Path, *, format: int) -> dict[str, Any]:
    """Return what `write_description` wrote, or raise DamagedError if it is not there, intact and of this `format`."""
    try:
        facts: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
        found = facts.pop("sum")
        if found != _sum(facts) or facts["format"] != format:
            raise DamagedError(f"{path}: wrong checksum or format")
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise DamagedError(f"{path}: {error}") from None
    return facts


def _sum(facts: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(facts, sort_keys=True).encode())


def cached(folder: Path, key: str, *, make: Callable[[Path], None], open_folder: Callable[[Path], Value]) -> Value:
    """Return what `open_folder` reads from `folder/key`, which `make` fills first if it is missing or damaged.

    `open_folder` raises DamagedError for a folder that it cannot use. The folder is filled under another name and then
    renamed, so neither a kill nor a second process can leave half of it. Raises DataError if the cache cannot be
    written.
    """
    final = folder / key
    try:
        return open_folder(final)
    except DamagedError:
        pass
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        making = _new_folder(folder)
    except OSError as error:
        raise _unwritable(folder, error) from None
    try:
        make(making)
        return open_folder(_put(making, final, open_folder))
    except OSError as error:
        raise _unwritable(folder, error) from None
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _new_folder(parent: Path) -> Path:
    # Not mkdtemp: its folders are private, but colleagues may share a cache.
    folder = parent / f"{_MAKING}{uuid.uuid4().hex}"
    folder.mkdir()
    return folder


def _put(making: Path, final: Path, open_folder: Callable[[Path], Any]) -> Path:
    """Rename `making` to `final`, and return `final`; keep an intact one that another process has put there."""
    while True:
        try:
            making.rename(final)
            return final
        except OSError:
            if not final.exists():
                raise
        try:
            open_folder(final)
            return final
        except DamagedError:
            _take_away(final)


def _take_away(damaged: Path) -> None:
    # Renamed before it is deleted, so that no other process opens a folder that is half gone.
    grave = _new_folder(damaged.parent)
    try:
        damaged.rename(grave / "damaged")
    except FileNotFoundError:
        pass  # another process took it away first
    finally:
        shutil.rmtree(grave, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """Remove what killed processes left behind."""
    for leftover in folder.glob(f"{_MAKING}*"):
        try:
            abandoned = time.time() - max(path.stat().st_mtime for path in (leftover, *leftover.iterdir()))
        except OSError:
            continue  # its process has just renamed it
        if abandoned > _ABANDONED_AFTER:
            shutil.rmtree(leftover, ignore_errors=True)


def _unwritable(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"{folder}: the cache cannot be written: {error.strerror or error}; name another folder with data.cache"
    )

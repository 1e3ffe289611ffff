"""Fills a folder with a data set: prepared aside, compared with what is there, and only then moved into place."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attncli.errors import DataError
from attncli.files.reading import find_images
from attncli.files.writing import is_named, take_lock

_ASIDE = ".attncli-filling"


@contextmanager
def filling(folder: Path, *, exactly: bool = False) -> Iterator[Path]:
    """Yield an empty folder; the files that the block puts there are moved into `folder` when it ends well.

    `folder` is made if it does not exist. Files that it already has stay: a different one in the place of a new one is
    an error, and with `exactly` so is any other image in a subfolder that is filled. Until the block ends `folder`
    keeps what it held; what a killed command left is removed by the next. Raises DataError for these errors, if
    something cannot be written, and while another process fills the same folder.
    """
    made = _make_folder(folder)
    try:
        with _alone(folder):
            aside = folder / _ASIDE
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            try:
                yield aside
                _move(aside, folder, exactly=exactly)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise DataError(f"{error.filename or folder}: cannot be written: {error.strerror or error}") from None
    finally:
        _remove_empty(made)


def _make_folder(folder: Path) -> list[Path]:
    """Make `folder`, and return it and its parents as far as they are new, innermost first."""
    made: list[Path] = []
    try:
        made += (path for path in (folder, *folder.parents) if not path.exists())
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _remove_empty(made)
        raise DataError(f"{folder}: cannot be made: {error.strerror}") from None
    return made


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return  # not empty


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    path = folder / f"{_ASIDE}.lock"
    with path.open("ab") as lock:
        # A lock whose file has been removed since it was opened was that of a command that has just finished.
        if not take_lock(lock) or not is_named(lock, path):
            raise DataError(
                f"{folder}: another process is filling this folder; wait for it, or choose another folder with --to"
            )
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _move(aside: Path, folder: Path, *, exactly: bool) -> None:
    names = {path.relative_to(aside) for path in aside.rglob("*") if path.is_file()}
    # All are compared before the first is moved, so that a refusal leaves `folder` as it was.
    present = {name for name in names if os.path.lexists(folder / name)}
    for name in sorted(present):
        if not ((folder / name).is_file() and filecmp.cmp(aside / name, folder / name, shallow=False)):
            raise DataError(
                f"{folder / name}: is there, but is not the data set's; remove it, or choose another folder with --to"
            )
    if exactly:
        _refuse_others(folder, names)
    for name in sorted(names - present):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (aside / name).replace(folder / name)


def _refuse_others(folder: Path, names: set[Path]) -> None:
    for part in sorted({name.parent for name in names} - {Path()}):
        others = {path.relative_to(folder) for path in find_images(folder / part)} - names
        if others:
            raise DataError(
                f"{folder / min(others)}: is there, but is not the data set's, whose examples would be mixed with it; "
                "remove it, or choose another folder with --to"
            )

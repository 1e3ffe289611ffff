"""Replacing files and folders as a whole: a process killed while writing leaves the old or the new, never half."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from attncli.errors import RunError, TrainingError
from attncli.files.writing import take_lock


def replace_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Replace `folder` by a new one, which `write` fills; raises a TrainingError where that fails.

    A folder cannot be renamed over another, so for an instant there is only the old one under another name, where
    `existing_folder` finds it.
    """
    new, old = _aside(folder, "new"), _aside(folder, "old")
    if not folder.exists() and old.exists():
        old.rename(folder)
    with explained(folder), _removed_on_failure(new):
        remove(new)
        new.mkdir(parents=True)
        write(new)
        # Before the renames, which may reach the disk first: a loss of power would leave empty files under final names.
        for path in new.iterdir():
            _flush(path)
        _flush(new)
        remove(old)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        _flush(folder.parent)
        remove(old)


def create_folder(folder: Path, write: Callable[[Path], None], *, lock: str) -> None:
    """Make `folder`, which `write` fills, where there is none or an empty one; it appears with all its files.

    It is filled under another name, under a lock of the file `lock` in it, and what a killed process left there is
    written over. Raises a RunError where another process was faster, and OSError.
    """
    # A link keeps its target.
    target = folder.resolve()
    new = _aside(target, "new")
    new.mkdir(parents=True, exist_ok=True)
    with _removed_if_empty(new), (new / lock).open("ab") as held:
        # Renamed in the meantime, it is the run of another process.
        if not take_lock(held) or not (new / lock).exists():
            raise RunError(f"{folder}: another process is starting this run; choose another folder")
        with _removed_on_failure(new):
            for path in new.iterdir():
                if path.name != lock:
                    remove(path)
            write(new)
            for path in new.iterdir():
                _flush(path)
            _flush(new)
            try:
                new.rename(target)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                raise RunError(f"{folder}: another process has just started this run; choose another folder") from None
            _flush(target.parent)


def existing_folder(folder: Path) -> Path:
    """Return `folder`, or its old version where a process was killed while replacing it."""
    old = _aside(folder, "old")
    return old if not folder.exists() and old.exists() else folder


def replace_file(path: Path, text: str) -> None:
    """Replace the file `path` by `text`; raises a TrainingError where that fails."""
    new = _aside(path, "new")
    with explained(path), _removed_on_failure(new):
        new.write_text(text, encoding="utf-8")
        _flush(new)
        new.replace(path)
        _flush(path.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove from `folder` what killed processes left half written."""
    for path in folder.glob(".new-*"):
        remove(path)
    for path in folder.glob(".old-*"):
        if (folder / path.name.removeprefix(".old-")).exists():
            remove(path)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a failure to write `path` into a TrainingError that says why."""
    try:
        yield
    # PyTorch raises RuntimeError and safetensors its own error when the file cannot be written.
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = reason_of(error, path)
        if reason is None:
            raise
        remedy = "; make room and go on with --resume" if "disk is full" in reason else ""
        raise TrainingError(f"{path}: cannot be saved: {reason}{remedy}; what was saved before is intact") from error


def reason_of(error: BaseException, path: Path) -> str | None:
    """Return in words why `path` could not be written, or None where `error` is about something else."""
    causes = [error, *(cause for cause in (error.__cause__, error.__context__) if cause)]
    if any(
        getattr(cause, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(cause)
        for cause in causes
    ):
        free = shutil.disk_usage(path.parent).free / 2**20
        return f"the disk is full ({free:.1f} MiB free)"
    failures = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    if failures:
        return failures[0]
    return str(error) if isinstance(error, SafetensorError) else None


@contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        remove(path)
        raise


@contextmanager
def _removed_if_empty(folder: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
        raise


def _aside(path: Path, role: str) -> Path:
    return path.with_name(f".{role}-{path.name}")


def remove(path: Path) -> None:
    """Remove the file or folder `path`, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Wait until `path`, a file or the names in a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Files out: written beside their place and renamed when they are complete, so that nothing is half replaced."""

from __future__ import annotations

import errno
import fcntl
import gzip
import hashlib
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO, cast

from attncli.errors import DataError


@contextmanager
def open_output(path: Path) -> Iterator[TextIO]:
    """Open `path` for writing UTF-8 lines, compressed if it ends with `.gz`; the same text gives the same bytes.

    The lines are written aside and take the place of `path` when the block ends well (`replacing`). Raises DataError if
    it cannot be written.
    """
    try:
        with replacing(path) as partial, partial.open("wb") as file:
            raw = _compressed(file) if path.suffix == ".gz" else file
            with io.TextIOWrapper(raw, encoding="utf-8", newline="\n") as text:
                yield text
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from None


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, which holds either what it held or all of it (`replacing`)."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield where to write what `path` shall hold: a file beside it, renamed to `path` when the block ends well.

    Until then `path` keeps what it held, whatever happens; the file aside is removed by an error, and one that a killed
    command left is written over by the next. A link keeps its target, a pipe or a device is written to directly. Raises
    DataError while another process writes to the same `path`, and OSError.
    """
    target = Path(os.path.realpath(path))
    if target.is_symlink():  # all links are followed, so this one leads back to itself
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    if target.exists() and not target.is_file():
        yield target
        return
    partial = _partial(target)
    with partial.open("ab") as held:
        # A file that has been renamed since it was opened is another command's finished output.
        if not take_lock(held) or not is_named(held, partial):
            raise DataError(f"{path}: another process is writing this file")
        try:
            held.truncate(0)
            yield partial
            if target.exists():
                shutil.copymode(target, partial)
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def _partial(target: Path) -> Path:
    # Its length does not grow with the name's, which may be as long as the system allows; the suffix tells Matplotlib
    # the format.
    digest = hashlib.sha256(target.name.encode(errors="surrogateescape")).hexdigest()[:16]
    return target.with_name(f".attncli-{digest}.partial{target.suffix[:8]}")


def is_named(file: IO[bytes], path: Path) -> bool:
    """Tell whether the open `file` is still the one at `path`, not one that was removed or replaced there."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def take_lock(file: IO[bytes]) -> bool:
    """Lock an open file until it is closed, and return True; return False where another process holds the lock.

    The system releases it when the process dies, however it dies; Linux and macOS keep it over NFS, too. A file system
    without locks cannot tell of other processes: there it returns True.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
    return True


def _compressed(file: IO[bytes]) -> IO[bytes]:
    # Without a name and a time, that the bytes depend on the text alone.
    return cast(IO[bytes], gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0))


@contextmanager
def writing_into(folder: Path) -> Iterator[None]:
    """Make `folder` if need be; where that or a write within the block fails, raise a DataError that says what did."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise DataError(f"{error.filename or folder}: cannot be written: {error.strerror or error}") from None

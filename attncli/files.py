"""Files and folders: lines in, lines out, plain or gzip, with errors that say file and line."""

from __future__ import annotations

import errno
import fcntl
import gzip
import hashlib
import io
import json
import math
import os
import shutil
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, TextIO, cast

from attncli.errors import DataError, RunError

# What a folder is searched for; any file that is named is tried, whatever its suffix.
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
_SHOWN = 10
_PEEKED = 8192
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LARGEST = 1 << 26  # bytes of a file of a run that is read whole
_LONGEST_LINE = 1 << 26  # bytes
_LONGEST_TEXT = 1 << 29  # bytes of a text that is read whole


class Problems:
    """Problems of one reading, raised together: the first ten in words and the rest as a number."""

    def __init__(self) -> None:
        self._first: list[str] = []
        self._count = 0

    def add(self, text: str) -> None:
        """Take note of one problem."""
        self._count += 1
        if len(self._first) < _SHOWN:
            self._first.append(text)

    def raise_if_any(self, advice: str = "") -> None:
        """Raise DataError with every problem, one a line, and `advice` at the end."""
        if not self._count:
            return
        more = [f"... and {self._count - _SHOWN} more"] if self._count > _SHOWN else []
        raise DataError("\n".join([*self._first, *more, *([advice] if advice else [])]))


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 file without their ends, `.gz` by its name; only LF and CR LF end a line.

    Raises DataError with file and line for bytes that are not UTF-8, and for a file that is missing or not text.
    """
    for number, raw in enumerate(raw_lines(path), start=1):
        try:
            yield raw.decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{path}:{number}: {not_utf8(error)}") from None


def not_utf8(error: UnicodeDecodeError) -> str:
    """Say which byte of a line is no UTF-8."""
    return f"not UTF-8: byte 0x{error.object[error.start]:02x} at position {error.start + 1}"


def raw_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file as bytes without their ends, and without a byte order mark at the start.

    Raises DataError for a file that is missing, damaged or not text.
    """
    with _opened(path) as file:
        _refuse_binary(path, file)
        # A small gzip file can hold a line that does not fit into memory.
        for number, line in enumerate(iter(partial(file.readline, _LONGEST_LINE + 1), b"")):
            if len(line) > _LONGEST_LINE:
                raise _endless(path, number + 1)
            if number == 0:
                line = line.removeprefix(_BYTE_ORDER_MARK)
            if line.endswith(b"\n"):
                line = line[:-2] if line.endswith(b"\r\n") else line[:-1]
            yield line


def read_text(path: Path) -> str:
    """Return the whole text of a UTF-8 file, `.gz` by its name, without a byte order mark.

    Raises DataError for a file that is missing, damaged, not text or too large.
    """
    with _opened(path) as file:
        _refuse_binary(path, file)
        content = file.read(_LONGEST_TEXT + 1)
    if len(content) > _LONGEST_TEXT:
        raise DataError(f"{path}: over {_LONGEST_TEXT >> 20} MiB in one piece; put each example on a line of its own")
    content = content.removeprefix(_BYTE_ORDER_MARK)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}:{line}: not UTF-8: byte 0x{content[error.start]:02x}") from None


def count_lines(path: Path) -> int:
    """Return how many lines `raw_lines` yields, faster."""
    lines, rest = 0, 0  # the bytes behind the last end of a line
    with _opened(path) as file:
        _refuse_binary(path, file)
        while block := file.read(1 << 20):
            lines += block.count(b"\n")
            end = block.rfind(b"\n")
            rest = rest + len(block) if end < 0 else len(block) - end - 1
            if rest > _LONGEST_LINE:
                raise _endless(path, lines + 1)
    return lines + (rest > 0)


def _endless(path: Path, line: int) -> DataError:
    return DataError(f"{path}:{line}: a line of over {_LONGEST_LINE >> 20} MiB; not lines of text")


def counted(number: int, noun: str) -> str:
    """Return `number` with `noun`, which takes an s in the plural."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def unreadable(path: Path, error: OSError) -> DataError:
    """Return the DataError for a file that the system does not let us read."""
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: no such file")
    if isinstance(error, IsADirectoryError):
        return DataError(f"{path}: is a folder, not a file")
    return DataError(f"{path}: cannot be read: {error.strerror or error}")


@contextmanager
def _opened(path: Path) -> Iterator[io.BufferedReader]:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            yield cast(io.BufferedReader, file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged or not gzip: {error}") from None
    except OSError as error:
        raise unreadable(path, error) from None


def _refuse_binary(path: Path, file: io.BufferedReader) -> None:
    start = file.peek(_PEEKED)[:_PEEKED]
    if start.startswith(b"\x1f\x8b"):
        raise DataError(f"{path}: gzip inside; its name must end with .gz (once for each time it was compressed)")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path}: UTF-16 text; save it as UTF-8")
    if b"\0" in start:
        raise DataError(f"{path}: a binary file, not text: byte {start.index(0) + 1} is 0x00")


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


def is_file(path: Path) -> bool:
    """Tell whether `path` is a file; a name that the system does not allow is none."""
    return os.path.isfile(path)  # noqa: PTH113 - Path's own method raises OSError for such names


def is_folder(path: Path) -> bool:
    """Tell whether `path` is a folder; a name that the system does not allow is none."""
    return os.path.isdir(path)  # noqa: PTH112 - Path's own method raises OSError for such names


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


def find_images(folder: Path) -> list[Path]:
    """Return the files in `folder` and below it that are named as images, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())

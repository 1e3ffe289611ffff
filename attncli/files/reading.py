"""Files in: lines and texts, plain or gzip, with errors that say file and line."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from attncli.errors import DataError

# What a folder is searched for where images are wanted; any file that is named is tried, whatever its suffix.
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
_PEEKED = 8192
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONGEST_LINE = 1 << 26  # bytes
_LONGEST_TEXT = 1 << 29  # bytes of a text that is read whole


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
        yield from lines_of(file, path)


def lines_of(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Yield the lines of an open file, called `path`, as `raw_lines` does."""
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


def is_file(path: Path) -> bool:
    """Tell whether `path` is a file; a name that the system does not allow is none."""
    return os.path.isfile(path)  # noqa: PTH113 - Path's own method raises OSError for such names


def is_folder(path: Path) -> bool:
    """Tell whether `path` is a folder; a name that the system does not allow is none."""
    return os.path.isdir(path)  # noqa: PTH112 - Path's own method raises OSError for such names


def find_images(folder: Path) -> list[Path]:
    """Return the files in `folder` and below it that are named as images, sorted."""
    return find_files(folder, SUFFIXES)


def find_files(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Return the files in `folder` and below it that end with one of `suffixes`, in either case, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())

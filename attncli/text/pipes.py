"""Lines of standard input as they arrive."""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Iterator
from typing import BinaryIO

from attncli.errors import DataError
from attncli.files.reading import not_utf8

# Seconds: a writer that is silent for this long is waiting for an answer, or too slow to notice the split.
PATIENCE = 0.02
BLOCK = 1 << 16


def lines_as_they_come(stream: BinaryIO, *, at_most: int) -> Iterator[list[str]]:
    """Yield the lines of `stream` in groups of up to `at_most`, each as soon as no further line is waiting.

    A terminal or a slow pipe is thus answered line by line and a fast one in large groups. Nothing may have been read
    from `stream` before. Only LF and CR LF end a line, and a byte order mark at the start is left out. Raises DataError
    with the line's number for bytes that are not UTF-8.
    """
    # The descriptor is read directly: a buffered reader would wait for a whole block, and select cannot see its buffer.
    descriptor, number, rest = stream.fileno(), 0, b""
    waiting: list[str] = []
    while True:
        quiet = waiting and not select.select([descriptor], [], [], PATIENCE)[0]
        block = b"" if quiet else os.read(descriptor, BLOCK)
        ended = not quiet and not block
        *complete, rest = (rest + block).split(b"\n")
        if ended and rest:
            complete.append(rest)
        for raw in complete:
            number += 1
            waiting.append(_decoded(raw.removesuffix(b"\r"), number))
        while len(waiting) >= at_most or (waiting and (quiet or ended)):
            yield waiting[:at_most]
            waiting = waiting[at_most:]
        if ended:
            return


def lines_left(stream: BinaryIO) -> int | None:
    """Return how many lines `stream` still holds if it is a file, None if it is a pipe or a terminal."""
    descriptor = stream.fileno()
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return None
    at, lines, last = os.lseek(descriptor, 0, os.SEEK_CUR), 0, b"\n"
    while block := os.pread(descriptor, BLOCK, at):  # leaves the place where reading goes on
        at, lines, last = at + len(block), lines + block.count(b"\n"), block[-1:]
    return lines + (last != b"\n")


def _decoded(raw: bytes, number: int) -> str:
    if number == 1:
        raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"standard input:{number}: {not_utf8(error)}") from None

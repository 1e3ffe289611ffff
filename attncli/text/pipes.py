"""Lines of standard input, as they come."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from typing import BinaryIO

from attncli.errors import DataError
from attncli.files import not_utf8

# A writer that is quiet for so long, in seconds, is waiting for an answer, or slow enough not to notice this.
PATIENCE = 0.02
BLOCK = 1 << 16


def lines_as_they_come(stream: BinaryIO, *, at_most: int) -> Iterator[list[str]]:
    """Yield the lines of `stream`, not read from before, in groups of up to `at_most`, as soon as no more are waiting.

    A terminal or a slow pipe is thus answered line by line and a fast one in large groups. Only LF and CR LF end a
    line, and a byte order mark at the start is left out. Raises DataError with the line's number for bytes that are no
    UTF-8.
    """
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


def _decoded(raw: bytes, number: int) -> str:
    if number == 1:
        raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"standard input:{number}: {not_utf8(error)}") from None

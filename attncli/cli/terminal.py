"""Prints to standard output and standard error, also where these are closed, full, or cannot show every character."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from attncli.errors import DataError, UserError, escaped
from attncli.machine.progress import beside_progress

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_MOST_LINES = 60
_MOST_CHARACTERS = 4000  # of a line

_notes_are_wanted = True


def want_notes(wanted: bool) -> None:
    """Decide for this process whether `tell` says anything."""
    global _notes_are_wanted
    _notes_are_wanted = wanted


def say(*lines: str) -> None:
    """Print `lines` on standard output, with control characters, line breaks too, as escapes."""
    with beside_progress(sys.stdout):
        print(*map(escaped, lines), sep="\n")


def say_written(folder: Path, names: Sequence[str]) -> None:
    """Print on standard output which files were written into `folder`."""
    say(f"wrote {folder}: {', '.join(names)}")


def tell(*lines: str) -> None:
    """Print `lines` on standard error, with control characters, line breaks too, as escapes, unless notes are unwanted.

    Of very many or very long ones, the end is only counted.
    """
    if _notes_are_wanted:
        _print_errors(lines)


def tell_error(error: UserError | str) -> None:
    """Print what went wrong on standard error, wanted or not."""
    _print_errors(f"attncli: {error}".split("\n"))


def _print_errors(lines: Sequence[str]) -> None:
    shown = [_cut(escaped(line)) for line in lines[:_MOST_LINES]]
    if len(lines) > _MOST_LINES:
        shown.append(f"... and {len(lines) - _MOST_LINES:,} more lines")
    with beside_progress(sys.stderr):
        print(*shown, sep="\n", file=sys.stderr)


def _cut(line: str) -> str:
    more = len(line) - _MOST_CHARACTERS
    return line if more <= 0 else f"{line[:_MOST_CHARACTERS]}... and {more:,} more characters"


def open_streams() -> None:
    """Prepare standard output and standard error for text of any script, and for being closed or full.

    Writing to a closed or full standard output raises a DataError. Nothing is raised for standard error, so that
    training continues when nobody can read its progress. Characters that the encoding lacks are written as escapes.
    """
    for descriptor, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            # Closed: the next file to be opened would get its number, and libraries would print into that file. Open
            # for reading only, standard output still refuses to be written.
            os.open(os.devnull, mode)
    # A test that captures them has put its own in their place.
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(_StandardOutput(1, "w", closefd=False), like=sys.__stdout__)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(_StandardError(2, "w", closefd=False), like=sys.__stderr__)


class _StandardOutput(io.FileIO):
    _failed = False

    def write(self, data: ReadableBuffer) -> int:
        if self._failed:
            # The interpreter flushes what is left once more at its end; the failure has been reported.
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except OSError as error:
            self._failed = True
            if isinstance(error, BrokenPipeError):
                raise
            reason = "it is closed" if error.errno == errno.EBADF else error.strerror
            raise DataError(f"standard output: cannot be written: {reason}") from None


class _StandardError(io.FileIO):
    def write(self, data: ReadableBuffer) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def _text(raw: io.FileIO, *, like: TextIO | None) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=like.encoding if like else "utf-8",
        errors="backslashreplace",
        line_buffering=raw.fileno() == 2 or raw.isatty(),
    )

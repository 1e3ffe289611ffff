"""Lines that a person types at a prompt."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import suppress

from attncli.cli.terminal import tell
from attncli.errors import DataError
from attncli.files.reading import not_utf8

_PROMPT = "> "


def typed_lines() -> Iterator[str]:
    """Yield the lines that are typed on standard input, each after a prompt.

    They can be edited, and earlier ones found again, where Python has `readline` and standard output is a terminal.
    Raises DataError with the line's number for bytes that are not UTF-8.
    """
    tell("one sentence a line; Ctrl-D ends")
    with suppress(ImportError):
        import readline  # noqa: F401 - `input` then edits lines
    if isinstance(sys.stdin, io.TextIOWrapper):
        # Whatever the terminal's locale says.
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
    number = 0
    while True:
        try:
            line = input(_PROMPT) if sys.stdout.isatty() else _line_beside_an_output()
        except EOFError:
            print(file=sys.stderr)  # behind the prompt
            return
        number += 1
        try:
            yield line.encode(errors="surrogateescape").decode()
        except UnicodeDecodeError as error:
            raise DataError(f"standard input:{number}: {not_utf8(error)}") from None


def _line_beside_an_output() -> str:
    # `input` would write the prompt into the output.
    print(_PROMPT, end="", file=sys.stderr, flush=True)
    if not (line := sys.stdin.readline()):
        raise EOFError
    return line.removesuffix("\n")

"""Runs a command on a terminal of its own, and reads what is shown there."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import pty
import select
import struct
import sys
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import pyte

_SECONDS = 60  # after which a command hangs
_COLUMNS, _ROWS = 200, 40

# The children are forked from a server that has imported torch already, so that each starts in milliseconds.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["attncli.cli.main", "attncli.training.trainer", "torch._dynamo"])


@dataclass(frozen=True)
class Session:
    """What a command showed."""

    code: int | None
    drawn: str
    """All that was written to the terminal, with the codes that move its cursor."""
    screen: tuple[str, ...]
    """The lines that remain."""


def on_terminal(*arguments: object, answers: Sequence[tuple[str, bytes]] = (), output: Path | None = None) -> Session:
    """Run `attncli` with `arguments` on a terminal, its standard output in the file `output` if that is given.

    Each of `answers` is typed once its prompt, the first of the pair, is all that stands on the last line.
    """
    terminal, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    process = _processes.Process(target=_child, args=(os.ttyname(inner), [*map(str, arguments)], output))
    process.start()
    try:
        drawn, screen = _read(terminal, process, list(answers))
    finally:
        process.kill()
        os.close(inner)
        os.close(terminal)
    lines = [line.rstrip() for line in screen.display]
    while lines and not lines[-1]:
        lines.pop()
    return Session(process.exitcode, drawn.decode(errors="replace"), tuple(lines))


def _child(terminal: str, arguments: list[str], output: Path | None) -> None:
    os.setsid()
    screen = os.open(terminal, os.O_RDWR)  # and now the terminal of this process
    out = screen if output is None else os.open(output, os.O_WRONLY | os.O_CREAT)
    for descriptor, file in enumerate((screen, out, screen)):
        os.dup2(file, descriptor)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as long as the process
    os.environ["TERM"] = "linux"
    sys.argv = ["attncli", *arguments]

    import torch

    from attncli.cli.main import main

    torch.set_num_threads(1)
    main()


def _read(terminal: int, process: BaseProcess, answers: list[tuple[str, bytes]]) -> tuple[bytes, pyte.Screen]:
    screen = pyte.Screen(_COLUMNS, _ROWS)
    stream, drawn, until = pyte.ByteStream(screen), b"", time.monotonic() + _SECONDS
    while time.monotonic() < until:
        ended = not process.is_alive()
        if select.select([terminal], [], [], 0.02)[0]:
            block = os.read(terminal, 1 << 16)
            drawn += block
            stream.feed(block)
        elif ended:
            return drawn, screen
        elif answers and screen.display[screen.cursor.y].rstrip() == answers[0][0].rstrip():
            os.write(terminal, answers.pop(0)[1])
    raise AssertionError(f"still running: {screen.display}")

"""Runs commands in this process."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from attncli.cli.main import main


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Result]


@pytest.fixture
def attncli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Return a function that runs `attncli` with its arguments, and `given` on standard input, to its very end."""

    def run(*arguments: object, given: bytes = b"") -> Result:
        (tmp_path / "stdin").write_bytes(given)
        monkeypatch.setattr(sys, "argv", ["attncli", *map(str, arguments)])
        with (tmp_path / "stdin").open("rb") as stream:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
        captured = capsys.readouterr()
        return Result(int(ended.value.code or 0), captured.out, captured.err)

    return run

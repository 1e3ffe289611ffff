"""How the `attncli` fixture runs a command, and how the command ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str


class Command(Protocol):
    """Runs `attncli` with `arguments`, and `given` on standard input, to its very end."""

    def __call__(self, *arguments: object, given: bytes = b"") -> Result: ...

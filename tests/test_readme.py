"""The README's commands are ones that attncli takes; `test_installed.py` runs its example."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from attncli.cli.main import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^(?:\$ |    )attncli ([a-z].*?)(?: <.*)?$", README, re.MULTILINE)


def test_every_command_is_shown() -> None:
    assert {command.split()[0] for command in COMMANDS} == set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", [command for command in COMMANDS if "  " not in command])
def test_a_command_is_one_that_attncli_takes(command: str) -> None:
    name, *arguments = shlex.split(command)
    found = typer.main.get_command(app)
    # Some releases of typer bring a click of their own, so its classes have no name to test for.
    while name in getattr(found, "commands", {}):
        found = found.commands[name]  # type: ignore[attr-defined]
        if hasattr(found, "commands"):
            name, *arguments = arguments
    found.make_context(name, arguments)


def test_every_linked_file_is_there() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert missing == []


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 100

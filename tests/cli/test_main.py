"""What holds for every command: help, version, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import Command

import attncli as package
from attncli.errors import CommandError, ConfigError, RunError

COMMANDS = [
    [],
    ["train"],
    ["eval"],
    ["translate"],
    ["caption"],
    ["compare"],
    ["score"],
    ["visualize"],
    ["data"],
    ["data", "list"],
    ["data", "get"],
    ["data", "make"],
    ["config"],
    ["config", "new"],
    ["config", "check"],
    ["config", "show"],
    ["config", "schema"],
]


def test_the_version_is_that_of_the_package(attncli: Command) -> None:
    for option in ("--version", "-V"):
        result = attncli(option)
        assert (result.code, result.out) == (0, f"attncli {package.__version__}\n")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_has_help(attncli: Command, command: list[str], option: str) -> None:
    result = attncli(*command, option)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(" ".join(["Usage: attncli", *command]))


def test_usage_names_what_is_given(attncli: Command) -> None:
    def usage(*command: str) -> str:
        return attncli(*command, "--help").out.splitlines()[0]

    assert usage("translate") == "Usage: attncli translate RUN [INPUT] [OPTIONS]"
    assert usage("score") == "Usage: attncli score RUN --source FILE --target FILE [OPTIONS]"
    assert usage("visualize") == "Usage: attncli visualize RUN... [OPTIONS]"
    assert attncli("data", "get").err.startswith("Usage: attncli data get NAME [OPTIONS]\n")


def test_all_commands_are_listed(attncli: Command) -> None:
    out = attncli("--help").out
    for command in ("train", "eval", "compare", "translate", "caption", "score", "visualize", "data", "config"):
        assert f"\n  {command} " in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "No such command 'trian'."),
        (["train"], "Missing argument 'CONFIG'."),
        (["translate"], "Missing argument 'RUN'."),
        (["train", "x.yaml", "--steps", "3"], "No such option: --steps"),
    ],
)
def test_a_wrong_command_line_ends_with_2(attncli: Command, arguments: list[str], message: str) -> None:
    result = attncli(*arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


@pytest.mark.parametrize(
    ("error", "code"),
    [(CommandError("no", "and no"), 2), (RunError("no", "and no"), 1), (ConfigError(["no", "and no"]), 2)],
)
def test_a_mistake_is_one_message_and_an_exit_code(
    attncli: Command, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("attncli.config.load.read_config", fail)
    result = attncli("config", "show", "x.yaml")
    assert (result.code, result.out, result.err) == (code, "", "attncli: no\nand no\n")


def test_an_interrupt_ends_with_130(attncli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("attncli.config.load.read_config", interrupt)
    result = attncli("config", "show", "x.yaml")
    assert (result.code, result.out, result.err) == (130, "", "")


def test_help_comes_quickly() -> None:
    # The fastest of three, since others may be using the machine.
    def seconds() -> float:
        before = time.perf_counter()
        subprocess.run([sys.executable, "-m", "attncli", "--help"], check=True, capture_output=True)
        return time.perf_counter() - before

    limit = 0.5 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert any(seconds() < limit for _ in range(3))


def test_a_reader_that_leaves_early_gets_no_traceback(config: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "attncli", "config", "show", str(config)]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")

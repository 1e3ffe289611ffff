"""How commands meet their streams: full, closed, of a narrow encoding; what they print of hostile text."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command_line import Command

from attncli.cli.terminal import tell

# Far more than a buffer holds, and less; by Typer itself, and by a command.
COMMANDS = (["config", "schema"], ["--help"])


def ended(shell: str, *arguments: object, **environment: str) -> tuple[int, str]:
    """Return the exit code and the messages of `attncli` with `arguments`, its streams as `shell` redirects them."""
    command = [sys.executable, "-m", "attncli", *map(str, arguments)]
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {shell}', "sh", *command],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, **environment},
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[-1])
def test_a_standard_output_that_cannot_be_written_is_a_message(command: list[str]) -> None:
    start = "attncli: standard output: cannot be written: "
    assert ended("> /dev/full", *command) == (1, f"{start}No space left on device\n")
    assert ended(">&-", *command) == (1, f"{start}it is closed\n")


def test_a_standard_error_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    for shell in ("2> /dev/full", ">&- 2>&-"):
        assert ended(shell, "config", "show", tmp_path / "none.yaml") == (2, "")


def test_a_training_goes_on_when_its_streams_are_gone(config: Path, tmp_path: Path) -> None:
    code, messages = ended(">&- 2> /dev/full", "train", config, "--run", tmp_path / "run", "--device", "cpu")
    assert (code, messages) == (1, "")
    assert '"end"' in (tmp_path / "run" / "log.jsonl").read_text()


def test_a_closed_stream_lends_its_number_to_no_file(trained: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.en"
    code, _ = ended("<&- >&- 2>&-", "translate", trained, tmp_path / "none.de", "-o", output, "--device", "cpu")
    assert code == 1
    assert not output.exists()


def test_what_an_encoding_lacks_is_written_as_escapes(config: Path, tmp_path: Path) -> None:
    shown = ended("", "config", "check", tmp_path / "ä💥.yaml", PYTHONIOENCODING="ascii")
    assert shown == (2, f"attncli: {tmp_path}/\\xe4\\U0001f4a5.yaml: no such file\n")


def test_text_is_read_as_utf8_in_a_locale_without_it(trained: Path, tmp_path: Path) -> None:
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    arguments = ("visualize", trained, "--text", "Kuh schläft", "--format", "json", "-o", tmp_path / "ö")
    assert ended("> /dev/null", *arguments, **environment) == (0, "")
    [found] = json.loads((tmp_path / "ö" / "alignments.json").read_text(encoding="utf-8"))
    assert found["source"] == "Kuh schläft"


def test_what_a_terminal_might_obey_is_written_as_escapes(attncli: Command, tmp_path: Path) -> None:
    name = os.fsdecode(b"a\x1b[2J\xff\n.yaml")
    result = attncli("config", "check", tmp_path / name)
    assert (result.code, result.err) == (2, f"attncli: {tmp_path}/a\\x1b[2J\\udcff\\n.yaml: no such file\n")


def test_a_folder_with_a_line_break_in_its_name_stays_within_the_lines_of_all_messages(
    attncli: Command, config: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "a\nb"
    (folder / "corpus").parent.mkdir()
    shutil.copytree(config.parent, folder / "corpus")
    moved = ("train", folder / "corpus" / "small.yaml", "--set", f"data.root={json.dumps(str(folder / 'corpus'))}")
    run = ("--run", folder / "run", "--set", "training.max_steps=1")
    results = [
        attncli(*moved, *run),
        attncli(*moved, *run),  # exists
        attncli(*moved, *run, "--resume", "--set", "model.embedding_size=7"),  # differs
        attncli(*moved, *run, "--resume", "--set", "training.max_steps=2"),  # goes on, and says what changed
        attncli(*moved, "--run", folder / "other", "--set", f"training.start_from={json.dumps(str(folder / 'run'))}"),
        attncli("translate", folder / "run", folder / "none.de"),
        attncli("translate", folder / "nothing"),
        attncli("visualize", folder / "run", "--curves"),
    ]
    assert [result.code for result in results] == [0, 1, 2, 0, 0, 1, 1, 0]
    lines = [line for result in results for line in (result.err + result.out).splitlines()]
    assert sum(r"a\nb" in line for line in lines) >= len(results)
    assert not [line for line in lines if line.startswith("b/") or line.endswith("/a")]


def test_a_huge_message_is_cut_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    tell(*(f"line {number}" for number in range(1000)))
    lines = capsys.readouterr().err.splitlines()
    assert (len(lines), lines[59:]) == (61, ["line 59", "... and 940 more lines"])
    tell("x" * 5000)
    assert capsys.readouterr().err == f"{'x' * 4000}... and 1,000 more characters\n"


def test_an_error_of_the_program_is_one_line_and_a_traceback_on_request(
    attncli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("key")

    monkeypatch.setattr("attncli.config.load.read_config", fail)
    message = (
        "attncli: internal error: KeyError: 'key'; please report it in the issue tracker with the output of --verbose\n"
    )
    result = attncli("config", "show", "x.yaml")
    assert (result.code, result.out, result.err) == (1, "", message)
    monkeypatch.setenv("ATTNCLI_TRACEBACK", "1")
    result = attncli("config", "show", "x.yaml")
    assert result.err.startswith("Traceback (most recent call last):\n")
    assert result.err.endswith(f"KeyError: 'key'\n{message}")


def test_what_the_system_refuses_is_no_error_of_the_program(attncli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error", "x.yaml")

    monkeypatch.setattr("attncli.config.load.read_config", fail)
    result = attncli("config", "show", "x.yaml")
    assert (result.code, result.out, result.err) == (1, "", "attncli: x.yaml: Input/output error\n")


@pytest.mark.parametrize("allocate", [lambda: bytearray(2**62), lambda: torch.empty(2**58)], ids=["python", "torch"])
def test_too_little_memory_is_no_error_of_the_program(
    attncli: Command, monkeypatch: pytest.MonkeyPatch, allocate: Callable[[], object]
) -> None:
    def fail(*_: object) -> None:
        allocate()

    monkeypatch.setattr("attncli.config.load.read_config", fail)
    result = attncli("config", "show", "x.yaml")
    assert result.code == 1
    assert result.err == "attncli: out of memory; smaller batches, beams or models need less\n"

"""How much a command says: --quiet and --verbose."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import Command


def test_a_quiet_command_says_its_results_and_errors_alone(attncli: Command, trained: Path, tmp_path: Path) -> None:
    for name, text in (("source.de", "die Kuh\n"), ("target.en", "the cow\n")):
        (tmp_path / name).write_text(text)
    arguments = ("score", trained, "--source", tmp_path / "source.de", "--target", tmp_path / "target.en")
    loud, quiet = attncli(*arguments), attncli(*arguments, "-q")
    assert loud.err.startswith("perplexity ")
    assert (quiet.code, quiet.out, quiet.err) == (0, loud.out, "")
    assert attncli(*arguments).err == loud.err, "quiet is over with the command"
    wrong = attncli("score", tmp_path, *arguments[2:], "--quiet")
    assert (wrong.code, wrong.out) == (1, "")
    assert wrong.err.startswith(f"attncli: {tmp_path}: ")


def test_a_quiet_training_says_only_how_it_ended(attncli: Command, config: Path, tmp_path: Path) -> None:
    arguments = ("train", config, "--run", tmp_path / "run", "--set", "training.max_steps=2", "--device", "cpu")
    result = attncli(*arguments, "--quiet")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"{tmp_path}/run: ended by max_steps at step 2")
    assert len(result.out.splitlines()) == 1


def test_a_verbose_command_says_time_and_memory(attncli: Command, config: Path) -> None:
    assert attncli("config", "show", config).err == ""
    said = re.fullmatch(
        r"took (\d+\.\d\d) s and at most ([\d,]+) MiB of memory\n", attncli("config", "show", config, "-v").err
    )
    assert said
    assert float(said[1]) < 60
    assert 20 < int(said[2].replace(",", "")) < 100_000


def test_a_verbose_command_shows_the_traceback_of_an_internal_error_but_of_no_mistake(
    attncli: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mistake = attncli("config", "show", tmp_path / "x.yaml", "--verbose")
    assert mistake.err == f"attncli: {tmp_path}/x.yaml: no such file\n"

    def fail(*_: object) -> None:
        raise KeyError("key")

    monkeypatch.setattr("attncli.config.load.read_config", fail)
    result = attncli("config", "show", "x.yaml", "--verbose")
    assert result.code == 1
    assert result.err.startswith("Traceback (most recent call last):\n")
    assert "internal error: KeyError: 'key'" in result.err.splitlines()[-1]


def test_quiet_and_verbose_exclude_each_other(attncli: Command, config: Path) -> None:
    result = attncli("config", "check", config, "-qv")
    assert (result.code, result.out) == (2, "")
    assert result.err == "attncli: --quiet and --verbose are opposites; give one of them\n"

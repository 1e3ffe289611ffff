"""`attncli train --processes`: what it starts, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from command_line import Command

from attncli.runs.folder import RunFolder


def test_two_processes_train_as_one_and_speak_once(attncli: Command, config: Path, tmp_path: Path) -> None:
    options = ["--set", "model.dropout=0", "--device", "cpu"]
    one = attncli("train", config, "--run", tmp_path / "one", *options)
    command = [sys.executable, "-m", "attncli", "train", str(config), "--run", str(tmp_path / "two"), *options]
    two = subprocess.run([*command, "--processes", "2"], capture_output=True, text=True, check=False, timeout=300)
    assert two.returncode == 0, two.stderr
    assert two.stdout == one.out.replace(str(tmp_path / "one"), str(tmp_path / "two"))
    assert two.stderr.count("training pairs") == 1
    assert [line for line in two.stderr.splitlines() if line.startswith("step 12")][-1].split("  0:")[0] in one.err
    runs = [RunFolder(tmp_path / name) for name in ("one", "two")]
    assert_equal_weights(*runs)
    assert [part.processes for run in runs for part in run.facts().parts] == [1, 2]
    assert json.loads((tmp_path / "two/log.jsonl").read_text().splitlines()[0])["processes"] == 2


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("toy-speech", ("model.ctc.weight=0.5", "training.batch_tokens=70")),
        ("toy-clips", ("training.batch_sentences=3",)),
    ],
)
def test_sound_with_a_second_loss_and_films_are_learned_as_by_one(
    attncli: Command, tmp_path: Path, name: str, keys: tuple[str, ...]
) -> None:
    data = tmp_path / "data"
    assert attncli("data", "make", name, "--to", data, "--train", 7, "--dev", 3, "--test", 1).code == 0
    sets = [f"data.root={data}", f"data.cache={tmp_path / 'cache'}", "model.dropout=0", *keys]
    # Adam would make steps of gradients that are nothing but rounding.
    sets += [
        "training.optimizer={kind: sgd}",
        "training.learning_rate=0.1",
        "training.max_steps=3",
        "training.validate_every=3",
        "training.schedule.warmup=1",
    ]
    options = [word for each in sets for word in ("--set", each)]
    for run, more in (("one", ()), ("two", ("--processes", "2"))):
        command = [sys.executable, "-m", "attncli", "train", name, "--run", str(tmp_path / run), "--device", "cpu"]
        done = subprocess.run([*command, *options, *more], capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
    assert_equal_weights(RunFolder(tmp_path / "one"), RunFolder(tmp_path / "two"))


def assert_equal_weights(one: RunFolder, other: RunFolder) -> None:
    found = other.load_weights("last")
    for name, tensor in one.load_weights("last").items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-5, msg=name)


def test_mistakes_are_told_before_processes_are_started(attncli: Command, config: Path, tmp_path: Path) -> None:
    result = attncli("train", config, "--processes", 2, "--run", tmp_path / "run", "--set", "training.max_stesp=3")
    assert result.code == 2
    assert "did you mean 'max_steps'?" in result.err


def test_a_dry_run_is_made_in_one_process(attncli: Command, config: Path) -> None:
    result = attncli("train", config, "--dry-run", "--processes", 2)
    assert result.code == 2
    assert result.err == "attncli: --dry-run computes in one process, not in 2; leave --processes out\n"


def test_a_launcher_has_decided_how_many_processes_there_are(
    attncli: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    result = attncli("train", config, "--processes", 2)
    assert result.code == 2
    assert result.err == "attncli: --processes 2: a launcher has started 3; leave --processes out\n"


def test_processes_need_a_device_each(attncli: Command, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = attncli("train", config, "--processes", 2, "--device", "cuda:1")
    assert result.code == 2
    assert result.err == (
        "attncli: --device cuda:1: 2 processes need a CUDA device each; choose cuda, which gives them the first ones, "
        "or name those that they may see in CUDA_VISIBLE_DEVICES\n"
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    result = attncli("train", config, "--processes", 2)
    assert result.code == 2
    assert result.err == (
        "attncli: --device auto: 2 processes need a CUDA device each, and there are 1; start fewer processes, or "
        "choose cpu\n"
    )

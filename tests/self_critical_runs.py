"""Runs that go on from another run and learn a reward of what they draw, as commands make them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from typer.testing import CliRunner, Result

from attncli.cli.main import app
from attncli.config.load import read_config
from attncli.config.writing import WritingConfig
from attncli.runs.folder import RunFolder
from attncli.runs.weights import weights_of
from attncli.tasks.writing import WritingTask, open_writing

CPU = torch.device("cpu")


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200", "NO_COLOR": "1"})


def train(config: Path, run: Path, *arguments: str) -> Result:
    """Run `attncli train`, which must go well."""
    result = invoke("train", config, "--run", run, "--device", "cpu", *arguments)
    assert result.exit_code == 0, result.output
    return result


def with_set(overrides: Iterable[str]) -> list[str]:
    """Return `overrides` as arguments of a command."""
    return [argument for override in overrides for argument in ("--set", override)]


def critical_config(folder: Path, *overrides: str) -> WritingConfig:
    """Return the configuration `critical.yaml` in `folder`."""
    config = read_config(folder / "critical.yaml", overrides)
    assert isinstance(config, WritingConfig)
    return config


def opened(folder: Path, *overrides: str) -> WritingTask:
    """Return the task of `critical.yaml` in `folder`, as a new run begins with it."""
    return open_writing(critical_config(folder, *overrides), CPU, None)


def records(run: Path, event: str) -> list[dict[str, Any]]:
    """Return the records of `event` in the log of `run`."""
    found = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [record for record in found if record["event"] == event]


def assert_begins_with_best_weights(task: WritingTask, run: Path) -> None:
    before, found = RunFolder(run).load_weights("best"), weights_of(task.model)
    assert before.keys() == found.keys()
    assert all(torch.equal(before[name], found[name]) for name in before)


def broken_and_whole(folder: Path, into: Path, *overrides: str) -> tuple[Result, Mapping[str, Mapping[int, float]]]:
    """Train `critical.yaml` from a copy of the run in `folder`, once whole and once broken off and resumed without it.

    Assert that both end with the same weights and losses; return what the whole one told, and its losses by event and
    step.
    """
    shutil.copytree(folder / "run", into / "start")
    asked = with_set([f"training.start_from={into}/start", *overrides])
    result = train(folder / "critical.yaml", into / "whole", *asked)
    train(folder / "critical.yaml", into / "parts", *asked, "--set", "training.max_steps=4")
    shutil.rmtree(into / "start")
    train(folder / "critical.yaml", into / "parts", *asked, "--resume")
    for name in ("last", "best"):
        whole, parts = (RunFolder(into / run).load_weights(name) for run in ("whole", "parts"))
        assert not [key for key in whole if not torch.equal(whole[key], parts[key])], name
    losses = {}
    for event in ("train", "validation"):
        one, other = ({each["step"]: each["loss"] for each in records(into / run, event)} for run in ("whole", "parts"))
        assert one == other
        losses[event] = one
    return result, losses

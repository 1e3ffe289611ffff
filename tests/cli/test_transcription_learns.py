"""The shipped transcriber learns its toy speech, and listens to each word where it is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Command


@pytest.mark.slow
def test_toy_speech_is_learned(attncli: Command, tmp_path: Path) -> None:
    data, run = tmp_path / "speech", tmp_path / "run"
    assert attncli("data", "make", "toy-speech", "--to", data).code == 0
    sets = ("--set", f"data.root={data}", "--set", f"data.cache={tmp_path / 'cache'}")
    assert attncli("train", "toy-speech", "--run", run, "--device", "cpu", *sets).code == 0
    assert attncli("eval", run, "--device", "cpu").code == 0
    [found] = json.loads((run / "evaluation" / "test" / "report.json").read_text())["runs"]
    assert found["wer"]["score"] <= 5
    assert found["weight_inside"]["score"] >= 80

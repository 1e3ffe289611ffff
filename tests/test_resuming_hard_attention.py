"""A run with hard attention that is killed and resumed ends as one that was not: draws, baseline and temperature."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from attncli.cli.main import app
from attncli.runs.folder import RunFolder

WINDOWED = "score: general, window: local_p, half_width: 2, selection: hard"


def train(config: Path, run: Path, *arguments: str) -> None:
    result = CliRunner().invoke(app, ["train", str(config), "--run", str(run), "--device", "cpu", *arguments])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("estimator", "buffer"),
    [
        ("reinforce", "decoder.attention.selection.learning.baseline"),
        ("{kind: straight_through, annealing: 0.05}", "decoder.attention.selection.learning.batches"),
    ],
)
def test_a_resumed_run_draws_as_an_unbroken_one(config: Path, tmp_path: Path, estimator: str, buffer: str) -> None:
    asked = ("--set", f"model.attention={{{WINDOWED}, estimator: {estimator}}}", "--set", "model.dropout=0.2")
    train(config, tmp_path / "whole", *asked)
    train(config, tmp_path / "parts", *asked, "--set", "training.max_steps=6")
    train(config, tmp_path / "parts", *asked, "--resume")
    for name in ("last", "best"):
        whole, parts = (RunFolder(tmp_path / run).load_weights(name) for run in ("whole", "parts"))
        assert whole.keys() == parts.keys()
        assert not [key for key in whole if not torch.equal(whole[key], parts[key])], name
        assert float(whole[buffer]) != 0
    assert losses(tmp_path / "whole")[12] == losses(tmp_path / "parts")[12]


def losses(run: Path) -> dict[int, float]:
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return {record["step"]: record["loss"] for record in records if record["event"] == "train"}

"""What the shipped model of questions about images learns within a part of its training: where to look."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from attncli.cli.main import app
from attncli.data.sets.toy_questions import ToyQuestionSizes, make_toy_questions

pytestmark = pytest.mark.slow

STEPS = 500  # of 2,000


def test_it_finds_what_is_asked_about(tmp_path: Path) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    make_toy_questions(data, ToyQuestionSizes(train=4000, dev=20, test=150), seed=1)
    changes = {"data.root": data, "training.max_steps": STEPS, "training.validate_every": STEPS}
    sets = [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]
    for command in (["train", "toy-questions", "--run", str(run), *sets], ["eval", str(run)]):
        result = CliRunner().invoke(app, [*command, "--device", "cpu"])
        assert result.exit_code == 0, (result.output, result.exception)
    report = json.loads((run / "evaluation/test/report.json").read_text())
    [found] = report["runs"]
    # By chance a fifth of the answers is right.
    assert found["accuracy"]["score"] > 40
    inside = found["weight_inside"]
    assert inside["score"] > 2.5 * inside["uniform"]

"""The shipped classifier learns its toy reviews, and looks at the opinion."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from command_line import Command


@pytest.mark.slow
def test_toy_reviews_are_learned(attncli: Command, tmp_path: Path) -> None:
    data, run = tmp_path / "reviews", tmp_path / "run"
    assert attncli("data", "make", "toy-reviews", "--to", data).code == 0
    sets = ("--set", f"data.root={data}", "--set", f"data.cache={tmp_path / 'cache'}")
    assert attncli("train", "toy-reviews", "--run", run, "--device", "cpu", *sets).code == 0
    assert attncli("eval", run, "--device", "cpu").code == 0
    [found] = json.loads((run / "evaluation" / "test" / "report.json").read_text())["runs"]
    assert found["accuracy"]["score"] >= 97
    assert min(group["accuracy"] for group in found["by_group"]) >= 95
    options = ("--format", "jsonl", "--attention", "--device", "cpu")
    given = b"The pool is by the sea. The bed was not at all dirty. The bar lies at the back."
    record = json.loads(attncli("classify", run, *options, given=given).out)
    [best] = record["hypotheses"]
    assert best["text"] == "positive"
    words = [
        token
        for token, _ in sorted(
            zip(record["source_tokens"], best["attention"][0], strict=True), key=lambda each: -each[1]
        )
    ]
    assert {"dirty", "not", "at", "all", "."} & set(words[:2]), os.linesep.join(words)

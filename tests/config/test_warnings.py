"""What is told and not refused, since it is also done on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import configured
from typer.testing import CliRunner

from attncli.cli.main import app
from attncli.config.load import check_config
from attncli.config.yaml_core import parse_yaml

SAME = (
    "data.dev: is the same data as data.train, so that validation measures what was learned by heart; give data that "
    "are not trained on"
)


def test_a_usual_configuration_has_no_warnings() -> None:
    assert list(configured().warnings()) == []


@pytest.mark.parametrize(
    ("overrides", "warnings"),
    [
        (["data.dev={source: train.de, target: train.en}"], [SAME]),
        (["data.dev={source: a, target: a}"], ["data.dev: source and target are the same file, a"]),
        (
            ["data.test={x: {pairs: a.tsv, source_field: en, target_field: en}}"],
            ["data.test.x: source_field and target_field are the same, en"],
        ),
        (["data.test={x: {pairs: a.tsv}}"], []),
        (
            ["training.schedule={kind: inverse_square_root, warmup: 4000}", "training.max_steps=100"],
            [
                "training.schedule.warmup: 4000 updates, but training.max_steps ends training after 100, before the "
                "learning rate has reached its peak; lower one or raise the other"
            ],
        ),
        (["training.schedule={kind: cosine, warmup: 99}", "training.max_steps=100"], []),
        (["training.schedule={kind: noam, size: 8}", "training.max_steps=null", "training.max_epochs=1"], []),
    ],
)
def test_what_is_probably_not_meant_is_told(overrides: list[str], warnings: list[str]) -> None:
    assert list(configured(*overrides).warnings()) == warnings


@pytest.mark.parametrize(
    "text",
    [
        "task: captioning\ndata: {images: a, train: same.txt, dev: same.txt}\ntraining: {max_steps: 1}\n",
        "task: autoencoding\ndata: {kind: vectors, size: 3, train: {file: a}, dev: {file: a}}\n"
        "model: {kind: dense, bottleneck: 1}\ntraining: {max_steps: 1}\n",
    ],
)
def test_the_same_data_are_noticed_in_every_task(text: str) -> None:
    assert list(check_config(parse_yaml(text, where="x"), where="x").warnings()) == [SAME]


@pytest.mark.parametrize("command", [["train", "--dry-run", "--device", "cpu"], ["config", "check"]])
def test_training_and_checking_tell_the_warnings(config: Path, command: list[str]) -> None:
    same = ["--set", "data.dev={source: train.de, target: train.en}", "--set", "training.max_steps=1"]
    result = CliRunner().invoke(app, [*command, str(config), *same])
    assert result.exit_code == 0, result.output
    assert f"warning: {SAME}" in result.output

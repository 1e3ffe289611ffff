"""Autoencoders on the command line: made, trained, measured, drawn, and told apart from other tasks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from command_line import Command
from PIL import Image
from typer.testing import CliRunner

from attncli.cli.main import app
from attncli.data.sets.toy_images import ToyPictureSizes, make_toy_pictures

CONFIG = """\
task: autoencoding
data:
  kind: pictures
  root: {root}
  height: 8
  width: 12
  train: {{folder: train}}
  dev: {{folder: dev}}
  test:
    held-out: {{folder: test}}
    seen: {{folder: train}}
  cache: {root}/cache
model: {{kind: dense, widths: [10], bottleneck: 2, activation: none}}
training: {{max_steps: 8, batch_size: 5, validate_every: 4, checkpoint_every: 4, log_every: 4}}
evaluation: {{bootstrap_samples: 20}}
"""


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the configuration of 12 training, 4 dev and 6 test pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    make_toy_pictures(folder, ToyPictureSizes(train=12, dev=4, test=6), seed=1)
    (folder / "small.yaml").write_text(CONFIG.format(root=folder))
    return folder / "small.yaml"


@pytest.fixture(scope="module")
def linear(config: Path) -> Path:
    """Return a trained linear run."""
    run = config.parent / "linear"
    result = invoke("train", config, "--run", run, "--device", "cpu")
    assert result.exit_code == 0, result.output
    return run


@pytest.fixture(scope="module")
def denoising(config: Path) -> Path:
    """Return a trained denoising run with a code of three numbers."""
    run = config.parent / "denoising"
    changes = ["model.bottleneck=3", "training.corruption={kind: masking, share: 0.25}", "model.activation=relu"]
    result = invoke("train", config, "--run", run, *(part for change in changes for part in ("--set", change)))
    assert result.exit_code == 0, result.output
    return run


def test_toy_pictures_are_made(attncli: Command, tmp_path: Path) -> None:
    result = attncli("data", "make", "toy-pictures", "--to", tmp_path / "toy", "--train", 3, "--dev", 1, "--test", 2)
    assert (result.code, result.out) == (0, f"{tmp_path}/toy\n")
    assert len(list((tmp_path / "toy").rglob("*.png"))) == 6
    assert "toy-pictures" in attncli("data", "list").out


def test_what_is_trained_on_is_told(attncli: Command, config: Path, tmp_path: Path) -> None:
    result = attncli("train", config, "--run", tmp_path / "run", "--set", "model={kind: dense, bottleneck: 96}")
    lines = result.err.splitlines()
    assert lines[:2] == ["train: 12 pictures of 96 components", "dev: 4 pictures of 96 components"]
    assert lines[2].startswith("warning: model.bottleneck: 96 is no narrower than the 96 components of the input")
    assert lines[3] == f"{2 * 96 * 96 + 2 * 96:,} parameters; 12 training pictures"
    assert "pictures/s" in result.err
    assert result.out.startswith(f"{tmp_path}/run: ended by max_steps at step 8, best on dev: loss ")


def test_a_dry_run_tries_a_batch_and_writes_no_run(attncli: Command, config: Path, tmp_path: Path) -> None:
    result = attncli("train", config, "--run", tmp_path / "run", "--dry-run")
    assert result.out.startswith("3 batches an epoch; the largest (5 pictures) took ")
    assert not (tmp_path / "run").exists()


def test_a_resumed_run_ends_as_an_unbroken_one(attncli: Command, config: Path, tmp_path: Path) -> None:
    options = ("--set", "training.corruption={kind: gaussian}")
    attncli("train", config, "--run", tmp_path / "whole", *options)
    attncli("train", config, "--run", tmp_path / "parts", *options, "--set", "training.max_steps=5")
    result = attncli("train", config, "--run", tmp_path / "parts", *options, "--resume")
    assert "ended by max_steps at step 8" in result.out, result.err
    whole, parts = (tmp_path / name / "checkpoints/last/model.safetensors" for name in ("whole", "parts"))
    assert whole.read_bytes() == parts.read_bytes()


def test_a_run_that_has_ended_is_left_alone_on_resuming(attncli: Command, config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = attncli("train", config, "--run", run)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    result = attncli("train", config, "--run", run, "--resume")
    assert result.code == 0, result.err
    assert result.out == first.out.replace("at step 8,", "at step 8 already,")
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_a_configuration_can_say_only_what_differs_from_its_base(
    attncli: Command, config: Path, tmp_path: Path
) -> None:
    variant = config.parent / "variant.yaml"
    variant.write_text("base: small.yaml\nmodel: {widths: [9]}\ntraining: {corruption: {kind: masking}}\n")
    found = yaml.safe_load(attncli("config", "show", variant).out)
    assert found["task"] == "autoencoding"
    assert (found["model"]["widths"], found["model"]["bottleneck"]) == ([9], 2)
    assert (found["training"]["corruption"]["kind"], found["training"]["max_steps"]) == ("masking", 8)
    run = tmp_path / "run"
    assert attncli("train", variant, "--run", run).code == 0
    assert "base" not in yaml.safe_load((run / "config.yaml").read_text())
    assert "at step 8 already" in attncli("train", variant, "--run", run, "--resume").out


def test_the_configuration_is_checked_and_counted(attncli: Command, config: Path) -> None:
    lines = attncli("config", "check", config).out.splitlines()
    assert re.fullmatch(rf"{config}: ok, [\d,]+ parameters, up to 5 examples an update", lines[0])
    assert lines[1] == "parameters"
    assert [line.split() for line in lines[2:5]] == [
        ["encoder", f"{96 * 10 + 10 + 10 * 2 + 2:,}"],
        ["decoder", f"{2 * 10 + 10 + 10 * 96 + 96:,}"],
        ["total", "2,078"],
    ]


def test_runs_are_measured_together_and_each_has_its_report(attncli: Command, linear: Path, denoising: Path) -> None:
    result = attncli("eval", linear, denoising, "--test", "held-out", "--device", "cpu")
    assert result.code == 0, result.err
    assert "held-out: 6 pictures of 96 components" in result.out
    assert "corrupted input (masking 0.25)" in result.out
    report = json.loads((linear / "evaluation/held-out/report.json").read_text())
    assert [run["run"] for run in report["runs"]] == ["linear", "denoising"]
    assert [run["bottleneck"] for run in report["runs"]] == [2, 3]
    assert {"mse", "psnr", "pca", "corrupted"} <= set(report["runs"][0])
    assert 0 <= report["runs"][0]["pca"]["largest_angle_degrees"] <= 90
    assert report["runs"][1]["pca"]["largest_angle_degrees"] is None
    alone = json.loads((denoising / "evaluation/held-out/report.json").read_text())
    assert alone["runs"] == report["runs"][1:]
    assert (linear / "evaluation/held-out/by_bottleneck.png").stat().st_size > 1000


def test_the_dev_set_has_the_error_that_it_had_in_training(attncli: Command, linear: Path, tmp_path: Path) -> None:
    result = attncli("eval", linear, "--test", "dev", "--output", tmp_path)
    assert result.code == 0, result.err
    assert "dev: 4 pictures of 96 components" in result.out
    (run,) = json.loads((tmp_path / "report.json").read_text())["runs"]
    best = json.loads((linear / "checkpoints" / "best" / "checkpoint.json").read_text())
    assert run["mse"] == pytest.approx(best["scores"]["loss"])


def test_corruption_can_be_asked_for_and_left_out(attncli: Command, denoising: Path, tmp_path: Path) -> None:
    arguments = ("eval", denoising, "--test", "seen", "--output", tmp_path)
    attncli(*arguments, "--corruption", "none")
    assert json.loads((tmp_path / "report.json").read_text())["runs"][0]["corrupted"] is None
    attncli(*arguments, "--corruption", "gaussian:0.5")
    assert json.loads((tmp_path / "report.json").read_text())["corruption"] == {"kind": "gaussian", "deviation": 0.5}


def test_what_was_learned_is_drawn(attncli: Command, linear: Path, denoising: Path, tmp_path: Path) -> None:
    result = attncli("visualize", linear, "--output", tmp_path / "linear", "--device", "cpu")
    assert result.code == 0, result.err
    names = ["reconstructions", "walk", "weights", "code"]
    assert result.out.splitlines() == [f"wrote {tmp_path}/linear/{name}.png" for name in names]
    Image.fromarray(np.zeros((5, 7), np.uint8)).save(tmp_path / "own.png")
    result = attncli("visualize", denoising, "--image", tmp_path / "own.png", "--format", "svg", "--output", tmp_path)
    assert result.out.splitlines() == [f"wrote {tmp_path}/{name}.svg" for name in ("reconstructions", "weights")]
    text = (tmp_path / "reconstructions.svg").read_text()
    assert all(label in text for label in ("input", "seen (masking)", "autoencoder", "PCA of 3"))
    result = attncli("visualize", linear, "--curves", "--format", "svg", "--output", tmp_path)
    assert "loss (squared error a component)" in (tmp_path / "curves.svg").read_text()


def test_the_dev_set_is_drawn_by_its_name(attncli: Command, linear: Path, tmp_path: Path) -> None:
    for test in ("held-out", "seen", "dev"):
        result = attncli("visualize", linear, "--test", test, "--output", tmp_path / test, "--device", "cpu")
        assert result.code == 0, result.err
    # The first pictures of each set are drawn, and no two sets have the same.
    drawn = {test: (tmp_path / test / "reconstructions.png").read_bytes() for test in ("held-out", "seen", "dev")}
    assert len(set(drawn.values())) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["eval", "RUN"], "RUN: has 2 test sets; choose one with --test: held-out, seen"),
        (["eval", "RUN", "--test", "sen"], "RUN: unknown test set 'sen'; did you mean 'seen'? choose from held-out, "),
        (["eval", "RUN", "--test", "seen", "--beam-size", "4"], "--beam-size: means nothing for runs of task autoenc"),
        (
            ["eval", "RUN", "--test", "seen", "--corruption", "gaussian:-1"],
            "--corruption gaussian:-1: expected none, gaussian:DEVIATION with a number over 0, or masking:SHARE",
        ),
        (["visualize", "RUN", "--text", "a"], "--text: means nothing for runs of task autoencoding; leave it out"),
        (["visualize", "RUN", "--gradients"], "--gradients: means nothing for runs of task autoencoding; leave it out"),
        (["visualize", "RUN", "--layer", "2"], "--layer: means nothing for runs of task autoencoding; leave it out"),
        (
            ["visualize", "RUN", "--curves", "--image", "a.png"],
            "--curves: draws the training log, so --image or --recording means",
        ),
        (["visualize", "RUN", "--format", "html"], "--format: unknown value 'html'; choose from png, svg"),
        (
            ["translate", "RUN"],
            "RUN: is a run of task autoencoding, but this command reads runs of task translation",
        ),
    ],
)
def test_what_does_not_fit_the_task_is_refused(
    attncli: Command, linear: Path, arguments: list[str], message: str
) -> None:
    result = attncli(*(str(linear) if argument == "RUN" else argument for argument in arguments), given=b"a\n")
    assert result.code == 2
    assert result.err.startswith(f"attncli: {message.replace('RUN', str(linear))}")


@pytest.mark.parametrize("command", [["eval"], ["visualize", "--gradients"]])
def test_translation_and_autoencoding_are_not_mixed(
    attncli: Command, linear: Path, trained: Path, command: list[str]
) -> None:
    result = attncli(*command, trained, linear)
    assert (result.code, result.err) == (
        2,
        f"attncli: {linear}: is a run of task autoencoding, but {trained} of task translation; give runs of one task\n",
    )


def test_runs_on_other_test_sets_are_not_compared(attncli: Command, config: Path, linear: Path, tmp_path: Path) -> None:
    attncli("train", config, "--run", tmp_path / "flat", "--set", "data.height=4")
    result = attncli("eval", linear, tmp_path / "flat", "--test", "seen")
    assert result.code == 2
    assert result.err.endswith(
        f"{tmp_path}/flat: its test set 'seen' is not the 'seen' of {linear}; compare runs that reconstruct the same "
        "examples\n"
    )

"""`attncli visualize --gradients`: what it writes and refuses, with a trained run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command_line import Command


@pytest.mark.parametrize("suffix", ["png", "svg", "json"])
def test_the_command_writes_one_file_of_all_runs(attncli: Command, trained: Path, tmp_path: Path, suffix: str) -> None:
    (tmp_path / "other").symlink_to(trained)
    arguments = ("--gradients", "--format", suffix, "--output", tmp_path / "out")
    result = attncli("visualize", trained, tmp_path / "other", *arguments)
    assert result.code == 0, result.err
    assert result.out == f"wrote {tmp_path}/out/gradients.{suffix}\n"
    if suffix == "json":
        assert len(json.loads((tmp_path / "out" / "gradients.json").read_text())) == 2
    if suffix == "svg":
        assert "the 5 longest sources of the dev set" in (tmp_path / "out" / "gradients.svg").read_text()


def test_the_dev_set_is_measured_by_its_name_too(attncli: Command, trained: Path, tmp_path: Path) -> None:
    for name, options in (("by-name", ["--test", "dev"]), ("default", [])):
        arguments = ("--gradients", "--format", "json", "--output", tmp_path / name)
        assert attncli("visualize", trained, *arguments, *options).code == 0
    by_name, default = ((tmp_path / name / "gradients.json").read_text() for name in ("by-name", "default"))
    assert by_name == default


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        ("", "the configuration names no test sets; add one under data.test, or choose the dev set: --test dev"),
        (
            "  test: {new: {source: dev.de, target: dev.en}}\n",
            "unknown test set 'news'; did you mean 'new'? choose from new, dev",
        ),
    ],
)
def test_an_unknown_test_set_is_refused(
    attncli: Command, trained: Path, tmp_path: Path, tests: str, message: str
) -> None:
    shutil.copytree(trained, tmp_path / "run")
    config = tmp_path / "run" / "config.yaml"
    config.write_text(config.read_text().replace("  test: {}\n", tests))
    result = attncli("visualize", tmp_path / "run", "--gradients", "--test", "news")
    assert result.code == 2
    assert result.err == f"attncli: {tmp_path}/run: {message}\n"


STACK = "kind: transformer, hidden_size: 6, layers: 2, heads: 2, feed_forward_size: 9"
KINDS = {
    "transformer": [f"model.encoder={{{STACK}}}", f"model.decoder={{{STACK}}}", "model.attention={score: scaled_dot}"],
    "lstmn": ["model.encoder={kind: lstmn, hidden_size: 10}"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_states_that_later_steps_do_not_go_on_from_alone_are_refused(
    attncli: Command, config: Path, trained: Path, tmp_path: Path, kind: str
) -> None:
    run = tmp_path / "run"
    sets = [part for override in (*KINDS[kind], "training.max_steps=1") for part in ("--set", override)]
    assert attncli("train", config, "--run", run, *sets).code == 0
    result = attncli("visualize", trained, run, "--gradients", "--output", tmp_path / "out")
    assert result.code == 1
    assert result.err == (
        f"attncli: {run}: model.encoder.kind is {kind}, but gradients are taken at the states of encoders of kind "
        "recurrent, whose steps go on from the last state alone; choose runs with one of these\n"
    )
    assert not (tmp_path / "out").exists()

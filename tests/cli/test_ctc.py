"""Runs with CTC: what training says and logs, and `--ctc-weight` of the commands that write."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Command
from typer.testing import CliRunner

import attncli as package
from attncli.cli.main import app
from attncli.data.tokens import pad_tokens
from attncli.errors import CommandError
from attncli.runs.writing import WritingRun
from attncli.text.tokenizer import EOS

LINES = ["der Hund rennt .", "eine Kuh schläft nie .", "nie ."]
FACTS = ("event", "step", "epoch", "seconds", "best")


def train(config: Path, folder: Path, *changes: str, resume: bool = False) -> str:
    sets = [part for change in changes for part in ("--set", change)]
    asked = ["train", str(config), "--run", str(folder), "--device", "cpu", *sets, *(["--resume"] if resume else [])]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def aligned(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run with CTC of the small corpus."""
    folder = tmp_path_factory.mktemp("ctc") / "aligned"
    train(trained.parent / "small.yaml", folder, "model.ctc={weight: 0.4}")
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").write_text("".join(f"{line}\n" for line in LINES), encoding="utf-8")
    return tmp_path / "source"


def records(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_validation_has_the_joint_loss_and_its_parts(aligned: Path) -> None:
    found = [each for each in records((aligned / "log.jsonl").read_text()) if each["event"] == "validation"]
    assert len(found) == 2
    for each in found:
        assert set(each) - {*FACTS} == {"loss", "cross_entropy", "ctc", "bleu"}
        assert each["loss"] == pytest.approx(0.4 * each["ctc"] + 0.6 * each["cross_entropy"], rel=1e-5)
    assert found[1]["ctc"] < found[0]["ctc"]


def test_a_resumed_training_ends_with_the_same_weights(aligned: Path, trained: Path, tmp_path: Path) -> None:
    config = trained.parent / "small.yaml"
    train(config, tmp_path / "again", "model.ctc={weight: 0.4}", "training.max_steps=5")
    train(config, tmp_path / "again", "model.ctc={weight: 0.4}", resume=True)
    one, other = (
        WritingRun.load(each, device="cpu", checkpoint="last").model for each in (aligned, tmp_path / "again")
    )
    assert any(name.startswith("ctc.") for name, _ in one.named_parameters())
    for (name, weight), (_, again) in zip(one.named_parameters(), other.named_parameters(), strict=True):
        assert torch.equal(weight, again), name


def test_targets_beyond_ctc_are_told_before_training(config: Path, tmp_path: Path) -> None:
    # A source has a position for each of its words and its end symbol, and two repetitions need one more.
    for side, line in (("de", "nie nie nie ."), ("en", "never never never .")):
        with (config.parent / f"train.{side}").open("a") as file:
            file.write(f"{line}\n")
    # With fewer words, repeated unknown ones would be beyond CTC, too.
    changes = ("model.ctc={}", "training.max_steps=1", "tokenizer.vocabulary_size=40")
    told = train(config, tmp_path / "run", *changes)
    assert (
        "train: 1 target of 37 with more tokens than CTC can write on the positions of their sources, which count in "
        "the decoder's loss alone\n"
    ) in told


def test_a_score_is_the_weighted_sum_of_both(attncli: Command, aligned: Path, source: Path, tmp_path: Path) -> None:
    def scores(*options: object) -> list[float]:
        found = attncli("score", aligned, "--source", source, "--target", tmp_path / "target", *options)
        assert found.code == 0, found.err
        return [float(line) for line in found.out.splitlines()]

    (tmp_path / "target").write_text("the dog runs .\na cow .\nnever\n")
    own, by_ctc = scores("--ctc-weight", 0), scores("--ctc-weight", 1)
    run = WritingRun.load(aligned, device="cpu")
    assert run.model.ctc is not None
    for line, target, found in zip(LINES, (tmp_path / "target").read_text().splitlines(), by_ctc, strict=True):
        packed = pad_tokens([torch.tensor([*run.tokenizers.source.encode(line), EOS]).numpy()])
        wanted = pad_tokens([torch.tensor([*run.tokenizers.target.encode(target), EOS]).numpy()])
        with torch.inference_mode():
            assert found == pytest.approx(-float(run.model.ctc.loss(run.model.encode(packed), wanted)), rel=1e-4)
    joint = [0.4 * one + 0.6 * other for one, other in zip(by_ctc, own, strict=True)]
    assert scores() == pytest.approx(joint, rel=1e-4)
    assert scores("--ctc-weight", 0.25) == pytest.approx(
        [0.25 * one + 0.75 * other for one, other in zip(by_ctc, own, strict=True)], rel=1e-4
    )


def test_translations_have_the_score_that_their_targets_are_given(
    attncli: Command, aligned: Path, source: Path, tmp_path: Path
) -> None:
    for options in ((), ("--ctc-weight", 0.7), ("--sample", "--ctc-weight", 0.7)):
        weight = [part for part in options if part != "--sample"]
        found = records(attncli("translate", aligned, source, "--format", "jsonl", *options).out)
        (tmp_path / "target").write_text("".join(f"{each['hypotheses'][0]['text']}\n" for each in found))
        again = attncli(
            "score", aligned, "--source", source, "--target", tmp_path / "target", "--format", "jsonl", *weight
        )
        for one, other in zip(found, records(again.out), strict=True):
            one, other = one["hypotheses"][0], other["hypotheses"][0]
            assert sum(one["token_log_probs"]) == pytest.approx(one["log_prob"], abs=1e-4)
            if one["tokens"][-1] == "</s>":
                assert one["tokens"] == other["tokens"]
                assert one["log_prob"] == pytest.approx(other["log_prob"], abs=1e-3)


def test_a_report_says_how_ctc_took_part(attncli: Command, aligned: Path, trained: Path, tmp_path: Path) -> None:
    sides = ("--source", trained.parent / "dev.de", "--reference", trained.parent / "dev.en", "--metric", "wer")
    for options, weight in (((), 0.4), (("--ctc-weight", 1), 1.0)):
        assert attncli("eval", aligned, *sides, *options, "--output", tmp_path / "out").code == 0
        [run] = json.loads((tmp_path / "out" / "report.json").read_text())["runs"]
        assert run["ctc_weight"] == weight
    assert attncli("eval", trained, *sides, "--output", tmp_path / "out").code == 0
    assert "ctc_weight" not in json.loads((tmp_path / "out" / "report.json").read_text())["runs"][0]


def test_a_run_without_ctc_refuses_it(attncli: Command, trained: Path, source: Path, tmp_path: Path) -> None:
    message = (
        f"attncli: --ctc-weight 0.5: is the share of CTC beside the decoder's score, but {trained} has none "
        "(model.ctc); leave it out\n"
    )
    sides = ("--source", source, "--reference", source, "--output", tmp_path / "out")
    for command in (
        ("translate", trained, source),
        ("score", trained, "--source", source, "--target", source),
        ("eval", trained, *sides),
        ("visualize", trained, "--text", "der Hund", "--output", tmp_path / "out"),
    ):
        found = attncli(*command, "--ctc-weight", 0.5)
        assert (found.code, found.err.endswith(message)) == (2, True), found.err
    assert attncli("translate", trained, source, "--ctc-weight", 0).code == 0


def test_what_ctc_cannot_write_is_said_with_its_place(
    attncli: Command, aligned: Path, source: Path, tmp_path: Path
) -> None:
    remedy = "than the source has; shorten it, or leave CTC out (--ctc-weight 0)\n"
    found = attncli("translate", aligned, source, "--prefix", "the dog runs the dog runs")
    assert found.code == 1
    assert found.err.endswith(f"{source}: line 1: CTC needs more positions for the prefix {remedy}")
    (tmp_path / "target").write_text("the dog .\na cow .\nnever never never\n")
    found = attncli("score", aligned, "--source", source, "--target", tmp_path / "target")
    assert found.code == 1
    assert found.err.endswith(f"{source}:3: CTC needs more positions for the target {remedy}")
    assert attncli("score", aligned, "--source", source, "--target", tmp_path / "target", "--ctc-weight", 0).code == 0


def test_an_ensemble_of_runs_with_and_without_it_is_refused(
    attncli: Command, aligned: Path, trained: Path, source: Path, tmp_path: Path
) -> None:
    for first, other, difference in (
        (aligned, trained, "has no model.ctc, as the first has"),
        (trained, aligned, "has model.ctc, which the first has not"),
    ):
        found = attncli("translate", first, source, "--with", other)
        assert found.code == 2
        assert f"{other}: no ensemble with {first}: it {difference}, so they do not score alike" in found.err


def test_python_takes_the_weight_too(aligned: Path, trained: Path) -> None:
    run = package.load(aligned, device="cpu")
    [alone] = run.translate(LINES[:1], ctc_weight=0.0)
    [joint] = run.translate(LINES[:1], ctc_weight=0.9)
    assert not math.isclose(alone.best.log_prob, joint.best.log_prob, rel_tol=1e-3)
    with pytest.raises(CommandError, match="is the share of CTC beside"):
        package.load(trained, device="cpu").translate(LINES[:1], ctc_weight=0.9)


def test_curves_show_both_losses(attncli: Command, aligned: Path, tmp_path: Path) -> None:
    found = attncli("visualize", aligned, "--curves", "--format", "svg", "--output", tmp_path)
    assert found.code == 0, found.err
    drawn = (tmp_path / "curves.svg").read_text()
    assert "dev, cross-entropy alone" in drawn
    assert "dev, CTC alone" in drawn

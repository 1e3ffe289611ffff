"""`attncli compare`: what it trains in which order, what it refuses before, what it goes on with, what it reports."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Command
from typer.testing import CliRunner

from attncli.cli.main import app
from attncli.config.load import read_config
from attncli.runs.folder import RunFolder

BASE = """\
base: {config}
data: {{test: {{news: {{source: dev.de, target: dev.en}}}}}}
model: {{decoder: {{input_feeding: false}}}}
training: {{max_steps: 2, validate_every: 2}}
"""
VARIANTS = {"none": "none", "dot": "{score: scaled_dot, projections: learned}", "additive": "{score: additive}"}


@pytest.fixture
def place(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder, the current one, with a set `small` of three variants of the configuration `config`."""
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "base.yaml").write_text(BASE.format(config=config))
    for name, attention in VARIANTS.items():
        own = f"base: base.yaml\nmodel: {{attention: {attention}}}\n"
        (tmp_path / "small" / f"{name}.yaml").write_text(own)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trained(place: Path, folder: str = "runs/small") -> dict[str, int]:
    """Return the runs in `folder` with the records of their logs, those trained first first."""
    runs = sorted((place / folder).glob("*-seed-*"), key=lambda run: (run / "metadata.json").stat().st_ctime_ns)
    return {run.name: len((run / "log.jsonl").read_text().splitlines()) for run in runs}


def order(said: str) -> list[str]:
    """Return the runs that are said to be trained, in order."""
    lines = [line for line in said.splitlines() if line.startswith("training ") and " of " in line]
    return [line.split(", ", 1)[1] for line in lines]


def test_every_variant_is_trained_the_one_without_attention_first_and_all_are_scored_together(
    attncli: Command, place: Path
) -> None:
    result = attncli("compare", "small", "--metric", "chrf", "--device", "cpu")
    assert result.code == 0, result.err
    assert result.err.splitlines()[:2] == ["runs/small: 3 trainings, 0 done", "training 1 of 3, none-seed-1"]
    assert order(result.err) == ["none-seed-1", "additive-seed-1", "dot-seed-1"]
    report = json.loads((place / "runs/small/evaluation/report.json").read_text())
    assert [run["run"] for run in report["runs"]] == ["none", "additive", "dot"]
    assert "chrF" in result.out
    assert (place / "runs/small/evaluation/by_length.png").stat().st_size > 0
    assert read_config(Path("small/dot.yaml")) == RunFolder(place / "runs/small/dot-seed-1").config()
    assert "none − dot" in result.out, "the first is what others are compared with"

    before = trained(place)
    again = attncli("compare", "small", "--metric", "chrf", "--device", "cpu")
    assert (again.code, order(again.err)) == (0, [])
    assert again.err.splitlines()[0] == "runs/small: 3 trainings, 3 done"
    assert trained(place) == before, "what is trained is left alone"


def test_seeds_variants_folder_and_keys_can_be_chosen(attncli: Command, place: Path) -> None:
    chosen = ["--only", "dot", "--only", "none", "--seeds", "3,5", "--run", "elsewhere"]
    result = attncli("compare", "small", *chosen, "--set", "training.max_steps=1", "--metric", "chrf")
    assert result.code == 0, result.err
    assert order(result.err) == ["dot-seed-3", "none-seed-3", "dot-seed-5", "none-seed-5"]
    config = RunFolder(place / "elsewhere/none-seed-5").config()
    assert (config.training.seed, config.training.max_steps) == (5, 1)
    report = json.loads((place / "elsewhere/evaluation/report.json").read_text())
    assert [run["run"] for run in report["runs"]] == [
        "dot-seed-3",
        "none-seed-3",
        "dot-seed-5",
        "none-seed-5",
    ]
    assert "dot          2  " in result.out, "runs that differ in their seeds are taken together"
    assert not (place / "runs").exists()


@pytest.fixture
def stopped_in_the_second(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Send SIGINT in the first update of the variant `additive`."""
    from attncli.training.updates import Updater

    update = Updater.update

    def interrupted(self: Updater, *given: object) -> object:
        if (place / "runs/small/additive-seed-1").exists():
            os.kill(os.getpid(), signal.SIGINT)
        return update(self, *given)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Updater, "update", interrupted)
        yield patch


def test_an_interrupt_stops_the_whole_and_says_how_to_go_on_and_the_same_command_does(
    attncli: Command, place: Path, stopped_in_the_second: pytest.MonkeyPatch
) -> None:
    result = attncli("compare", "small", "--metric", "chrf")
    assert result.code == 130
    assert result.err.splitlines()[-1] == (
        "attncli: runs/small: stopped in training 2 of 3, additive-seed-1, and saved; the same command goes on with it"
    )
    assert list(trained(place)) == ["none-seed-1", "additive-seed-1"]
    stopped_in_the_second.undo()
    again = attncli("compare", "small", "--metric", "chrf")
    assert again.code == 0, again.err
    assert again.err.splitlines()[0] == "runs/small: 3 trainings, 1 done, 1 begun"
    assert order(again.err) == ["additive-seed-1, goes on", "dot-seed-1"]


def test_an_interrupt_before_a_training_has_begun_says_where_the_same_command_begins(
    attncli: Command, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("attncli.tasks.launch.open_task", interrupted)
    result = attncli("compare", "small")
    assert result.code == 130
    assert result.err.splitlines()[-1] == (
        "attncli: runs/small: stopped at the start of training 1 of 3, none-seed-1; the same command begins with it"
    )
    assert not (place / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["smal"], 2, "unknown set 'smal'; choose from compare-attention, compare-captions, compare-length, "
         "compare-questions, compare-speech, compare-summaries, or give a folder of configurations"),
        (["small", "--only", "none", "--only", "dott"], 2, "--only: unknown variant of small 'dott'; did you mean "
         "'dot'? choose from none, additive, dot"),
        (["small", "--only", "none", "--only", "none"], 2, "--only: 'none' is given twice"),
        (["small", "--seeds", "1,x"], 2, "--seeds '1,x': should be whole numbers with commas between them, such as "
         "1,2,3"),
        (["small", "--seeds", ""], 2, "--seeds '': should be whole numbers with commas between them, such as 1,2,3"),
        (["small", "--seeds", "2,1,2"], 2, "--seeds '2,1,2': has one of them twice, which would be the same training"),
        (["small", "--set", "training.seed=3"], 2, "--set training.seed: every variant is trained with the same seeds; "
         "give --seeds"),
        (["small", "--set", "training.max_stebs=3"], 2, "--set training.max_stebs: unknown key 'max_stebs'; did you "
         "mean 'max_steps'? "),
        (["small", "--test", "tast"], 2, "small/none.yaml: unknown test set 'tast'; "),
        (["small", "--metric", "chaf"], 2, "--metric: unknown value 'chaf'; did you mean 'chrf'? "),
        (["small", "--set", "data.root=nowhere"], 1, "small/none.yaml: data.root: nowhere: no such folder"),
        (["compare-attention"], 1, "compare-attention/none: data.root: data/multi30k: no such folder; `attncli data "
         "get multi30k` fetches it"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_told_once_before_anything_is_trained(
    attncli: Command, place: Path, arguments: list[str], code: int, said: str
) -> None:
    result = attncli("compare", *arguments)
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith(f"attncli: {said}")
    assert len(result.err.splitlines()) == 1
    assert not (place / "runs").exists()


def test_problems_of_several_variants_are_told_together(attncli: Command, place: Path) -> None:
    (place / "small" / "dot.yaml").write_text("base: base.yaml\nmodel: {attention: {score: dott}}\n")
    (place / "small" / "none.yaml").write_text("base: base.yaml\nmodel: {attentions: none}\n")
    result = attncli("compare", "small")
    assert result.code == 2
    assert [line.removeprefix("attncli: ").split(";")[0] for line in result.err.splitlines()] == [
        "small/none.yaml: model.attentions: unknown key 'attentions'",
        "small/dot.yaml: model.attention.score: unknown value 'dott'",
    ]


def test_data_that_only_the_last_variant_misses_are_told_before_the_first_is_trained(
    attncli: Command, place: Path
) -> None:
    (place / "small" / "z.yaml").write_text("base: base.yaml\ndata: {dev: {source: gone.de}}\n")
    result = attncli("compare", "small")
    assert result.code == 1
    assert result.err.startswith("attncli: small/z.yaml: data.dev.source: ")
    assert result.err.endswith("gone.de: no such file or folder\n")
    assert not (place / "runs").exists()


def test_a_run_that_was_begun_with_another_configuration_is_refused_with_the_difference(
    attncli: Command, place: Path
) -> None:
    arguments = ["train", "small/dot.yaml", "--run", "runs/small/dot-seed-1", "--set", "model.dropout=0.5"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    result = attncli("compare", "small")
    assert result.code == 2
    assert result.err.startswith("attncli: runs/small/dot-seed-1: ")
    assert "model.dropout" in result.err
    assert list(trained(place)) == ["dot-seed-1"], "nothing was trained"


def test_variants_of_different_tasks_are_refused(attncli: Command, place: Path) -> None:
    (place / "small" / "z.yaml").write_text("base: autoencoder-linear\n")
    result = attncli("compare", "small")
    assert (result.code, result.err) == (
        2,
        "attncli: small/z.yaml: has task autoencoding, but small/none.yaml has translation; compare variants of one "
        "task\n",
    )


def test_a_set_without_variants_is_refused(attncli: Command, place: Path) -> None:
    (place / "empty").mkdir()
    result = attncli("compare", "empty")
    assert (result.code, result.err) == (
        2,
        "attncli: empty: holds no configurations (*.yaml) but base.yaml; add one for each variant\n",
    )

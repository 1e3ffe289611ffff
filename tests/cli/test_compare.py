"""`attncli compare`: what it trains in which order, what it refuses before, what it goes on with, what it reports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Command
from typer.testing import CliRunner

from attncli.cli.main import app
from attncli.cli.side_by_side import _own_device
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


def test_variants_can_be_scored_on_the_dev_set(attncli: Command, place: Path) -> None:
    for side in ("de", "en"):
        (place / f"two.{side}").write_text("a b\nc d\n")
    dev = f"data.dev={{source: {place}/two.de, target: {place}/two.en}}"
    result = attncli("compare", "small", "--only", "dot", "--test", "dev", "--set", dev, "--device", "cpu")
    assert result.code == 0, result.err
    report = json.loads((place / "runs/small/evaluation/report.json").read_text())
    assert (report["test"], report["sources"]) == ("dev", 2), "the test set has 5"


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


def logs(place: Path) -> dict[str, list[str]]:
    """Return the lines of every log."""
    return {path.stem: path.read_text().splitlines() for path in sorted((place / "runs/small/logs").iterdir())}


def test_side_by_side_gives_what_one_after_the_other_does(attncli: Command, place: Path) -> None:
    arguments = ["--set", "model.dropout=0.1", "--device", "cpu"]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    # The run of `none` will be there already, and that of `dot` is what is expected.
    for name, run in (("none", "runs/small/none-seed-1"), ("dot", "expected")):
        alone = attncli("train", f"small/{name}.yaml", *arguments, "--set", "training.seed=1", "--run", run)
        assert alone.code == 0, alone.err
    torch.set_num_threads(threads)
    only = ["--only", "none", "--only", "dot", "--metric", "chrf"]
    result = attncli("compare", "small", *only, *arguments, "--processes", 2)
    assert result.code == 0, result.err
    assert result.err.splitlines()[:2] == ["runs/small: 2 trainings, 1 done", "training 2 of 2, dot-seed-1"]
    assert result.out.splitlines()[0] == alone.out.strip().replace("expected", "runs/small/dot-seed-1")
    said = logs(place)["dot-seed-1"]
    assert said[0] == (
        "$ attncli train small/dot.yaml --set model.dropout=0.1 --set training.seed=1 --run runs/small/dot-seed-1 "
        "--device cpu"
    )
    assert any(line.startswith("step 2  epoch 1  dev ") for line in said)
    assert said[-1] == result.out.splitlines()[0]
    found, expected = (RunFolder(place / run).load_weights("last") for run in ("runs/small/dot-seed-1", "expected"))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    report = json.loads((place / "runs/small/evaluation/report.json").read_text())
    assert [run["run"] for run in report["runs"]] == ["none", "dot"]


FAILING = {
    "print('attncli: no memory:\\nbuy some', file=sys.stderr); sys.exit(1)": "no memory:\nbuy some",
    "sys.exit(3)": "ended with exit code 3",
    "signal.raise_signal(signal.SIGKILL)": "was ended by SIGKILL",
}


@pytest.mark.parametrize("program", FAILING)
def test_side_by_side_one_that_fails_is_named_and_the_others_go_on(
    attncli: Command, place: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    programs = {"dot": program, "none": "print('learned')", "additive": "print('learned too')"}

    def started(command: list[str], **given: Any) -> subprocess.Popen[str]:
        code = f"import signal, sys; {programs[Path(command[4]).stem]}"
        return begin([sys.executable, "-c", code], **given)

    begin = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", started)
    (place / "runs/small/logs").mkdir(parents=True)
    (place / "runs/small/logs/dot-seed-1.log").write_text("$ attncli train\nattncli: an earlier error\n")
    only = [part for name in ("dot", "none", "additive") for part in ("--only", name)]
    result = attncli("compare", "small", *only, "--processes", 2, "--device", "cpu")
    assert (result.code, sorted(result.out.splitlines())) == (1, ["learned", "learned too"])
    assert order(result.err) == ["dot-seed-1", "none-seed-1", "additive-seed-1"]
    assert f"\nattncli: training 1 of 3, dot-seed-1: {FAILING[program]}\n" in result.err
    assert result.err.splitlines()[-1] == (
        "attncli: runs/small: not scored, since dot-seed-1 failed; its log is in runs/small/logs, and the same command "
        "tries again"
    )
    assert not (place / "runs/small/evaluation").exists()


def test_side_by_side_an_interrupt_lets_all_save_and_the_same_command_goes_on(
    attncli: Command, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["compare", "small", "--only", "none", "--only", "additive", "--processes", "2", "--device", "cpu"]
    arguments += ["--metric", "chrf", "--set", "training.validate_every=1000000"]
    endless = [sys.executable, "-m", "attncli", *arguments, "--set", "training.max_steps=1000000"]
    process = subprocess.Popen(endless, stderr=subprocess.PIPE, text=True)
    runs = [place / f"runs/small/{name}-seed-1" for name in ("none", "additive")]
    deadline = time.monotonic() + 200
    while not all((run / "log.jsonl").exists() for run in runs) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=200)[1].splitlines()
    assert process.returncode == 130, said
    assert said[-1] in [
        f"attncli: runs/small: stopped, and saved {names}-seed-1; the same command goes on"
        for names in ("none-seed-1 and additive", "additive-seed-1 and none")
    ]
    assert all((run / "checkpoints/last").is_dir() for run in runs)
    evaluated: list[list[Path]] = []
    monkeypatch.setattr("attncli.cli.eval.evaluate", lambda **given: evaluated.append(given["runs"]))
    again = attncli(*arguments, "--set", "training.max_steps=1")
    assert again.code == 0, again.err
    assert evaluated == [[Path(f"runs/small/{name}-seed-1") for name in ("none", "additive")]]
    assert again.err.splitlines()[0] == "runs/small: 2 trainings, 0 done, 2 begun"
    assert order(again.err) == ["none-seed-1, goes on", "additive-seed-1, goes on"]
    assert "--resume" in next(line for line in reversed(logs(place)["none-seed-1"]) if line.startswith("$ "))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_side_by_side_a_signal_before_anything_is_saved_stops_what_runs_and_begins_nothing_more(
    attncli: Command, place: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    children = []
    # The tests themselves may have been started by nohup, which ignores the end of the terminal.
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_DFL)

    def started(command: list[str], **given: Any) -> subprocess.Popen[str]:
        children.append(begin([sys.executable, "-c", "import time; time.sleep(60)"], **given))
        signal.raise_signal(number)
        return children[-1]

    begin = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", started)
    result = attncli("compare", "small", "--processes", 2, "--device", "cpu")
    assert result.code == 143
    assert result.err.splitlines()[-1] == "attncli: runs/small: stopped; the same command goes on"
    assert [child.returncode for child in children] == [-signal.SIGTERM]


def test_trainings_side_by_side_share_the_cuda_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [_own_device("auto", slot) for slot in range(3)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert [_own_device(name, 1) for name in ("cuda", "cpu", "cuda:0")] == ["cuda:1", "cpu", "cuda:0"]


def test_a_launcher_does_not_compare(attncli: Command, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    result = attncli("compare", "small")
    assert (result.code, result.err) == (
        2,
        "attncli: compare: a launcher has started 3 processes; start it alone, and give --processes\n",
    )


def test_a_set_without_variants_is_refused(attncli: Command, place: Path) -> None:
    (place / "empty").mkdir()
    result = attncli("compare", "empty")
    assert (result.code, result.err) == (
        2,
        "attncli: empty: holds no configurations (*.yaml) but base.yaml; add one for each variant\n",
    )

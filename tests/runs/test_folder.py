from __future__ import annotations

import errno
import json
import math
import os
import platform
import threading
from pathlib import Path

import pytest
import torch

import attncli
from attncli.config.formats import FORMAT
from attncli.data.cache import fingerprint
from attncli.errors import ConfigError, RunError
from attncli.runs.facts import write_checkpoint_facts
from attncli.runs.folder import RunFolder
from attncli.runs.weights import write_weights


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "runs" / "de-en")
    run.create("task: tiny\n")
    return run


def add_checkpoint(run: RunFolder, name: str) -> Path:
    folder = run.path / "checkpoints" / name
    folder.mkdir(parents=True)
    write_weights({"a": torch.ones(2)}, folder / "model.safetensors")
    (folder / "checkpoint.json").write_text('{"step": 12, "epoch": 3, "scores": {"loss": 2.5}}')
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_a_new_run_has_its_configuration_and_facts(run: RunFolder) -> None:
    run.check()
    assert (run.path / "config.yaml").read_text() == "task: tiny\n"
    assert run.facts().model_dump(exclude_unset=True) == {
        "format": FORMAT,
        "versions": {"attncli": attncli.__version__, "torch": torch.__version__, "python": platform.python_version()},
        "step": 0,
        "scores": {},
    }
    assert names(run.path) == ["config.yaml", "metadata.json"]
    assert names(run.path.parent) == ["de-en"]


def test_an_empty_folder_becomes_a_run(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    RunFolder(tmp_path / "empty").create("task: tiny\n")
    RunFolder(tmp_path / "empty").check()


def test_a_run_that_exists_is_refused(run: RunFolder) -> None:
    with pytest.raises(RunError) as error:
        run.create("task: other\n")
    assert str(error.value) == (
        f"{run.path}: exists; go on with --resume, replace it with --overwrite, or choose another"
    )
    assert (run.path / "config.yaml").read_text() == "task: tiny\n"


def test_overwrite_replaces_a_run_and_leaves_what_is_not_its_own(run: RunFolder) -> None:
    add_checkpoint(run, "best")
    for name in ("log.jsonl", "tokenizer.model", "notes.txt"):
        (run.path / name).write_text("text")
    (run.path / "evaluation/flickr").mkdir(parents=True)
    run.update_metadata({"step": 40})
    run.create("task: other\n", overwrite=True)
    assert names(run.path) == ["config.yaml", "metadata.json", "notes.txt"]
    assert (run.path / "config.yaml").read_text() == "task: other\n"
    assert run.facts().step == 0


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ('{"dataset": "mine"}', "metadata.json: damaged: format: field required"),
        ('{"format": 1}', "exists and is not a run: metadata.json was not written by attncli; choose another folder"),
        ('{"format": 2, "versions": {"numpy": "2"}}', "exists and is not a run: metadata.json was not written by attn"),
    ],
)
def test_overwrite_never_touches_another_programs_folder(tmp_path: Path, metadata: str, problem: str) -> None:
    (tmp_path / "checkpoints").mkdir()
    for name, text in {"metadata.json": metadata, "config.yaml": "mine", "log.jsonl": "mine"}.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(RunError, match=problem):
        RunFolder(tmp_path).create("task: tiny\n", overwrite=True)
    assert names(tmp_path) == ["checkpoints", "config.yaml", "log.jsonl", "metadata.json"]
    assert (tmp_path / "log.jsonl").read_text() == "mine"


def test_a_run_is_trained_by_one_process_at_a_time(run: RunFolder) -> None:
    with run.locked():
        with (
            pytest.raises(RunError, match=r"de-en: another process is training this run; wait until it has ended, or"),
            run.locked(),
        ):
            pass
        run.check()
    with run.locked():
        pass


def test_of_two_processes_that_start_a_run_one_is_refused(tmp_path: Path) -> None:
    run, ready, go_on = RunFolder(tmp_path / "run"), threading.Event(), threading.Event()

    def slowly(folder: Path) -> None:
        ready.set()
        go_on.wait(10)
        (folder / "tokenizer.json").write_text("first")

    first = threading.Thread(target=run.create, args=("task: first\n",), kwargs={"save": slowly})
    first.start()
    assert ready.wait(10)
    with pytest.raises(RunError, match=r"run: another process is starting this run; choose another folder"):
        run.create("task: second\n")
    go_on.set()
    first.join()
    assert (run.path / "config.yaml").read_text() == "task: first\n"
    assert names(run.path) == ["config.yaml", "metadata.json", "tokenizer.json"]
    assert names(tmp_path) == ["run"]


def test_a_run_appears_with_all_its_files_or_not_at_all(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")

    def fail(folder: Path) -> None:
        (folder / "tokenizer.json").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(RunError, match=r"run: a run cannot be written here: the disk is full \(\d+\.\d MiB free\)$"):
        run.create("task: tiny\n", save=fail)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".new-run").mkdir()
    (tmp_path / ".new-run/left-by-a-killed-process").write_text("")
    run.create("task: tiny\n", facts={"signatures": {}}, save=lambda folder: None)
    assert names(run.path) == ["config.yaml", "metadata.json"]
    assert names(tmp_path) == ["run"]
    with pytest.raises(RunError, match=r"the disk is full"):
        run.create("task: other\n", overwrite=True, save=fail)
    assert (run.path / "config.yaml").read_text() == "task: tiny\n"
    assert names(run.path) == ["config.yaml", "metadata.json"]


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"n: cannot be read: File name too long"):
        RunFolder(tmp_path / ("n" * 300)).create("task: tiny\n")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file/run: a run cannot be written here: Not a directory"):
        RunFolder(tmp_path / "file/run").create("task: tiny\n")


def test_links_out_of_a_run_are_not_written_through(run: RunFolder, tmp_path: Path) -> None:
    run.check_own_links()
    (run.path / "log.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match=r"de-en/log\.jsonl: is a link that leads out of the run; a run that is trained"):
        run.check_own_links()


def test_overwrite_never_touches_what_is_not_a_run(tmp_path: Path) -> None:
    folder = tmp_path / "thesis"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text("mine")
    with pytest.raises(RunError) as error:
        RunFolder(folder).create("task: tiny\n", overwrite=True)
    assert str(error.value) == (
        f"{folder}: exists and is not a run: missing metadata.json; found checkpoints, config.yaml; "
        "choose another folder"
    )
    assert (folder / "config.yaml").read_text() == "mine"


def test_overwrite_removes_a_link_but_not_what_it_leads_to(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/model").write_text("dear")
    (run.path / "checkpoints").symlink_to(tmp_path / "elsewhere")
    run.create("task: other\n", overwrite=True)
    assert (tmp_path / "elsewhere/model").read_text() == "dear"
    assert not (run.path / "checkpoints").exists()


def test_a_file_in_the_place_of_a_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("dear")
    with pytest.raises(RunError, match=r"run: is a file; choose another folder for the run$"):
        RunFolder(tmp_path / "run").create("task: tiny\n", overwrite=True)
    with pytest.raises(RunError, match=r"run: is a file, not a run$"):
        RunFolder(tmp_path / "run").check()


def test_a_missing_run_is_named_with_the_nearest(run: RunFolder) -> None:
    with pytest.raises(RunError, match=r"runs/de-em: no such folder; did you mean .*/runs/de-en\?$"):
        RunFolder(run.path.with_name("de-em")).check()
    with pytest.raises(RunError, match=r"nowhere/at/all: no such folder$"):
        RunFolder(run.path / "nowhere/at/all").check()


def test_a_folder_that_is_no_run_is_named_with_what_it_holds(tmp_path: Path) -> None:
    for index in range(8):
        (tmp_path / f"file{index}").write_text("")
    with pytest.raises(RunError) as error:
        RunFolder(tmp_path).check()
    assert str(error.value) == (
        f"{tmp_path}: not a run: missing metadata.json, config.yaml; "
        "found file0, file1, file2, file3, file4, file5 and 2 more"
    )


def test_a_newer_format_is_refused(run: RunFolder) -> None:
    (run.path / "metadata.json").write_text(f'{{"format": {FORMAT + 1}, "versions": {{"attncli": "9.8"}}}}')
    with pytest.raises(RunError) as error:
        run.check()
    assert str(error.value) == (
        f"{run.path}: has run format {FORMAT + 1}, written by attncli 9.8; attncli {attncli.__version__} "
        f"reads formats up to {FORMAT}; upgrade attncli"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not JSON: Expecting value"),
        ("{", "not JSON: Expecting property name"),
        ("[]", "not a JSON object, but a list"),
        ("{}", "format: field required"),
        ('{"format": "x"}', "format: input should be a valid integer"),
        ('{"format": null}', "format: input should be a valid integer"),
        ('{"format": 1e999}', "not JSON: 1e999 is not a finite number"),
        ('{"format": -1}', "format: input should be greater than or equal to 1"),
        ('{"format": 3, "versions": []}', "versions: input should be a valid dictionary"),
        ('{"format": 2, "step": "x", "scores": {"loss": []}}', "step: input .* integer; scores.loss: input .* number"),
        ("[" * 100_000, "not JSON: nested too deeply"),
    ],
)
def test_damaged_facts_are_named(run: RunFolder, text: str, problem: str) -> None:
    (run.path / "metadata.json").write_text(text)
    with pytest.raises(RunError, match=rf"metadata.json: damaged: {problem}"):
        run.check()
    with pytest.raises(RunError, match=r"metadata.json: damaged: "):
        run.create("task: tiny\n", overwrite=True)


def test_facts_are_added_and_replaced(run: RunFolder) -> None:
    run.update_metadata({"step": 7, "signatures": {"bleu": "v:2"}})
    found = json.loads((run.path / "metadata.json").read_text())
    assert (found["format"], found["step"], found["signatures"]) == (FORMAT, 7, {"bleu": "v:2"})


def test_a_checkpoint_is_read(run: RunFolder) -> None:
    add_checkpoint(run, "best")
    assert torch.equal(run.load_weights("best")["a"], torch.ones(2))
    facts = run.checkpoint_facts("best")
    assert (facts.step, facts.epoch, facts.scores) == (12, 3, {"loss": 2.5})
    assert run.has_checkpoint("best")
    assert not run.has_checkpoint("last")


def test_a_run_without_a_checkpoint_says_what_it_has(run: RunFolder) -> None:
    with pytest.raises(RunError) as error:
        run.load_weights("best")
    assert str(error.value) == (
        f"{run.path}: not a checkpoint: missing checkpoints/best/model.safetensors; found config.yaml, metadata.json"
    )


def test_a_checkpoint_without_weights_says_what_it_has(run: RunFolder) -> None:
    (add_checkpoint(run, "best") / "model.safetensors").unlink()
    with pytest.raises(
        RunError, match=r"checkpoints/best: not a checkpoint: missing model.safetensors; found checkpoint"
    ):
        run.load_weights("best")


def test_damaged_facts_of_a_checkpoint_are_named(run: RunFolder) -> None:
    (add_checkpoint(run, "best") / "checkpoint.json").write_text('{"step":')
    with pytest.raises(RunError, match=r"checkpoints/best/checkpoint.json: damaged: not JSON: "):
        run.checkpoint_facts("best")
    (run.path / "checkpoints/best/checkpoint.json").write_text('{"step": -3, "scores": {"bleu": 1e400}}')
    with pytest.raises(RunError, match=r"checkpoint.json: damaged: not JSON: 1e400 is not a finite number"):
        run.checkpoint_facts("best")
    (run.path / "checkpoints/best/checkpoint.json").write_text('{"step": -3}')
    with pytest.raises(RunError, match=r"checkpoint.json: damaged: step: input should be greater than or equal to 0"):
        run.checkpoint_facts("best")


def test_a_file_that_is_not_what_was_saved_is_refused(run: RunFolder) -> None:
    folder = add_checkpoint(run, "best")
    (folder / "checkpoint.json").unlink()
    write_checkpoint_facts({"step": 12}, folder / "checkpoint.json")
    assert torch.equal(run.load_weights("best")["a"], torch.ones(2))
    write_weights({"a": torch.zeros(2)}, folder / "model.safetensors")
    with pytest.raises(RunError) as error:
        run.load_weights("best")
    assert str(error.value) == (
        f"{folder}/model.safetensors: damaged: its SHA-256 is not the one in checkpoint.json; restore the file, or use "
        "another checkpoint"
    )
    (folder / "checkpoint.json").write_text('{"step": 12, "sha256": {"another": "x"}}')
    with pytest.raises(RunError, match="its SHA-256 is not the one"):
        run.load_weights("best")


def test_a_checkpoint_may_be_replaced_while_it_is_read(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = add_checkpoint(run, "best")

    def replaced(path: Path) -> str:
        monkeypatch.undo()
        write_weights({"a": torch.zeros(2)}, folder / "model.safetensors")
        (folder / "checkpoint.json").unlink()
        write_checkpoint_facts({"step": 16}, folder / "checkpoint.json")
        return fingerprint(path)

    (folder / "checkpoint.json").unlink()
    write_checkpoint_facts({"step": 12}, folder / "checkpoint.json")
    monkeypatch.setattr("attncli.runs.folder.fingerprint", replaced)
    assert torch.equal(run.load_weights("best")["a"], torch.zeros(2))


def test_weights_that_are_not_finite_are_refused(run: RunFolder) -> None:
    folder = add_checkpoint(run, "best")
    for number in (math.nan, math.inf):
        write_weights({"a": torch.tensor([1.0, number])}, folder / "model.safetensors")
        with pytest.raises(RunError, match=r"safetensors: damaged: a holds a number that is not finite; use another"):
            run.load_weights("best")


@pytest.mark.parametrize("file", ["metadata.json", "config.yaml", "checkpoints/best/model.safetensors"])
def test_nothing_outside_of_the_folder_is_read(run: RunFolder, tmp_path: Path, file: str) -> None:
    add_checkpoint(run, "best")
    outside = tmp_path / "outside"
    (run.path / file).rename(outside)
    (run.path / file).symlink_to(outside)

    def read() -> None:
        if file == "config.yaml":
            run.config()
        run.load_weights("best")

    with pytest.raises(RunError, match=rf"{file}: leads out of the folder, to {outside}; only files inside it are"):
        read()
    (run.path / file).unlink()
    os.mkfifo(run.path / file)
    with pytest.raises(RunError, match=rf"{file}: is a device or a pipe, not a file"):
        read()


def test_a_folder_of_checkpoints_elsewhere_is_not_read(run: RunFolder, tmp_path: Path) -> None:
    add_checkpoint(run, "best")
    (run.path / "checkpoints/best").rename(tmp_path / "elsewhere")
    (run.path / "checkpoints/best").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match=r"leads out of the folder"):
        run.load_weights("best")
    (run.path / "checkpoints/best").unlink()
    with pytest.raises(RunError, match=r"leads out of the folder"):
        run.load_weights("../../../elsewhere")


def test_the_configuration_of_a_run_has_no_base(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("do-not-tell: 1\n")
    (run.path / "config.yaml").write_text(f"task: translation\nbase: {tmp_path}/secret.yaml\n")
    with pytest.raises(ConfigError) as error:
        run.config()
    assert f"{run.path}/config.yaml: base: " in str(error.value)
    assert "do-not-tell" not in str(error.value)

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest
import torch

import attncli
from attncli.errors import RunError
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
    return sorted(path.name for path in folder.iterdir())


def test_a_new_run_has_its_configuration_and_facts(run: RunFolder) -> None:
    run.check()
    assert run.config_path.read_text() == "task: tiny\n"
    assert run.metadata() == {
        "format": 2,
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
    assert run.config_path.read_text() == "task: tiny\n"


def test_overwrite_replaces_a_run_and_leaves_what_is_not_its_own(run: RunFolder) -> None:
    add_checkpoint(run, "best")
    for name in ("log.jsonl", "tokenizer.model", "notes.txt"):
        (run.path / name).write_text("text")
    (run.path / "evaluation/flickr").mkdir(parents=True)
    run.update_metadata({"step": 40})
    run.create("task: other\n", overwrite=True)
    assert names(run.path) == ["config.yaml", "metadata.json", "notes.txt"]
    assert run.config_path.read_text() == "task: other\n"
    assert run.metadata()["step"] == 0


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
    run.metadata_path.write_text('{"format": 3, "versions": {"attncli": "9.8"}}')
    with pytest.raises(RunError) as error:
        run.check()
    assert str(error.value) == (
        f"{run.path}: has run format 3, written by attncli 9.8; attncli {attncli.__version__} "
        "reads formats up to 2; upgrade attncli"
    )


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "x"}', '{"format": null}'])
def test_damaged_facts_are_named(run: RunFolder, text: str) -> None:
    run.metadata_path.write_text(text)
    with pytest.raises(RunError, match=r"metadata.json: damaged: no JSON with a format number$"):
        run.check()


def test_facts_are_added_and_replaced(run: RunFolder) -> None:
    run.update_metadata({"step": 7, "signatures": {"bleu": "v:2"}})
    found = json.loads(run.metadata_path.read_text())
    assert (found["format"], found["step"], found["signatures"]) == (2, 7, {"bleu": "v:2"})


def test_a_checkpoint_is_read(run: RunFolder) -> None:
    add_checkpoint(run, "best")
    assert torch.equal(run.load_weights("best")["a"], torch.ones(2))
    assert run.checkpoint_facts("best") == {"step": 12, "epoch": 3, "scores": {"loss": 2.5}}
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
    with pytest.raises(RunError, match=r"checkpoints/best/checkpoint.json: damaged: no JSON with a step"):
        run.checkpoint_facts("best")

"""How a run begins and goes on: locked, whole from its first instant, or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from attncli.config.load import Config, read_config
from attncli.errors import CommandError, ConfigError, DataError, RunError, UserError
from attncli.runs.folder import RunFolder
from attncli.tasks.launch import begun_run, ending, resumed_run, settled
from attncli.text.tokenizer import Tokenizers
from attncli.training.trainer import train

CPU = torch.device("cpu")


def configured(path: Path, *overrides: str) -> Config:
    return settled(read_config(path, overrides), CPU)


def begin(config: Config, run: Path, *, overwrite: bool = False, trains: bool = False) -> None:
    with begun_run(config, RunFolder(run), CPU, overwrite=overwrite, tell=lambda line: None) as task:
        if trains:
            train(task, config.training, RunFolder(run), device=CPU, progress=False)


def resume(config: Config, run: Path) -> None:
    with resumed_run(config, RunFolder(run), CPU, tell=lambda line: None):
        pass


@pytest.mark.parametrize(
    ("override", "error"),
    [
        ("data.train.source=nothing", DataError),
        ("data.dev.target=train.en", DataError),
        ("training.tensorboard=true", CommandError),
        ("training.objective={kind: self_critical, start_from: nowhere}", ConfigError),
    ],
)
def test_a_failed_start_leaves_no_folder(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, override: str, error: type[UserError]
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    more = ["training.batch_sentences=5"] if "objective" in override else []
    with pytest.raises(error):
        begin(configured(config, override, *more), tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_disk_that_is_full_at_the_start_is_named_and_leaves_nothing(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Tokenizers, folder: Path) -> None:
        (folder / "tokenizer.json").write_text("{")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    checked = configured(config)
    begin(checked, tmp_path / "first")  # fills the cache
    monkeypatch.setattr(Tokenizers, "save", fail)
    with pytest.raises(RunError, match=r"run: a run cannot be written here: the disk is full \(\d+\.\d MiB free\)$"):
        begin(checked, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    monkeypatch.undo()
    begin(checked, tmp_path / "run", trains=True)
    assert RunFolder(tmp_path / "run").has_checkpoint("best")


def test_a_run_is_whole_from_its_first_instant(config: Path, tmp_path: Path) -> None:
    begin(configured(config), tmp_path / "run")
    facts = RunFolder(tmp_path / "run").facts().model_dump()
    assert set(facts["signatures"]) == {"bleu"}
    assert len(facts["data"]) == 4
    assert [set(part["machine"]) >= {"processor", "memory_bytes"} for part in facts["parts"]] == [True]
    Tokenizers.load(tmp_path / "run")
    shutil.copytree(tmp_path / "run", tmp_path / "before")
    resume(configured(config), tmp_path / "run")
    whole, again = (RunFolder(tmp_path / name).facts().model_dump() for name in ("before", "run"))
    assert again.pop("parts")[:1] == whole.pop("parts")
    assert again == whole
    for path in (tmp_path / "before").iterdir():
        if path.name != "metadata.json":
            assert path.read_bytes() == (tmp_path / "run" / path.name).read_bytes()


def test_a_run_in_training_is_neither_resumed_nor_replaced(config: Path, tmp_path: Path) -> None:
    checked = configured(config)
    refused = r"run: another process is training this run; wait until it has ended, or choose another folder with --run"
    with begun_run(checked, RunFolder(tmp_path / "run"), CPU, overwrite=False, tell=lambda line: None):
        with pytest.raises(RunError, match=refused):
            resume(checked, tmp_path / "run")
        with pytest.raises(RunError, match=refused):
            begin(checked, tmp_path / "run", overwrite=True)
        with pytest.raises(RunError, match=r"run: exists; go on with --resume"):
            begin(checked, tmp_path / "run")
        assert RunFolder(tmp_path / "run").config() == checked  # reading goes on
    resume(checked, tmp_path / "run")
    begin(checked, tmp_path / "run", overwrite=True)


def test_a_run_with_links_elsewhere_is_not_resumed(config: Path, tmp_path: Path) -> None:
    begin(configured(config), tmp_path / "run")
    (tmp_path / "mine").write_text("dear")
    (tmp_path / "run/log.jsonl").symlink_to(tmp_path / "mine")
    with pytest.raises(RunError, match=r"run/log\.jsonl: is a link that leads out of the run"):
        resume(configured(config), tmp_path / "run")
    assert (tmp_path / "mine").read_text() == "dear"


END: dict[str, Any] = {"event": "end", "reason": "max_steps", "step": 12, "best_scores": {"loss": 2.5}}


@pytest.mark.parametrize(
    ("record", "ended"),
    [
        (END, True),
        ({**END, "event": "validation", "loss": 1}, False),
        ({"event": "end"}, False),
        ({**END, "best_scores": []}, False),
        ({**END, "step": "x"}, False),
        ({**END, "reason": None}, False),
    ],
)
def test_only_a_whole_record_of_the_end_ends_a_run(
    config: Path, trained: Path, tmp_path: Path, record: dict[str, Any], ended: bool
) -> None:
    shutil.copytree(trained, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    checked = run.config()
    if record["event"] == "validation":
        record = {key: value for key, value in record.items() if isinstance(value, int | str) and key != "reason"}
    with run.log_path.open("a") as file:
        file.write(json.dumps(record) + "\n")
    assert (ending(checked, run) is not None) == ended
    with run.log_path.open("a") as file:
        file.write("[]\n")
    with pytest.raises(RunError, match=r"log\.jsonl:\d+: damaged: expected a JSON record, found '\[\]'"):
        ending(checked, run)

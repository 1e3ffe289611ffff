"""Which keys may change when a run is resumed: each is decided on, and those that may change no weight."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import BaseModel
from safetensors.torch import load_file
from typer.testing import CliRunner

from attncli.cli.main import app
from attncli.config.load import CONFIGS, read_config
from attncli.config.resuming import movable_keys

# Of every movable key another value; those of data and of the limits are of `begun` and `resumed` below.
CHANGED: dict[str, Any] = {
    "data.root": ".",
    "data.cache": "other-cache",
    "data.test": {"few": {"source": "dev.de", "target": "dev.en"}},
    "evaluation.length_bins": [2, 3],
    "evaluation.bootstrap_samples": 7,
    "evaluation.seed": 5,
    "search.beam_size": 4,
    "search.length_penalty": 0.5,
    "search.patience": 2.0,
    "search.ctc_weight": 0.0,
    "search.max_length": 8,
    "search.unknown": "allow",
    "search.min_length": 2,
    "search.no_repeat_ngram_size": 3,
    "search.max_source_length": 50,
    "search.too_long": "cut",
    "search.batch_size": 3,
    "search.shortlist": 5,
    "search.precision": "bf16",
    "training.average_best": True,
    "training.checkpoint_every": 4,
    "training.early_stopping": {"patience": 7},
    "training.keep_best": 2,
    "training.log_every": 3,
    "training.max_epochs": 100,
    "training.max_minutes": 50.0,
    "training.max_steps": 12,
    "training.tensorboard": False,
}
OF_OTHER_TASKS = ("training.workers", "evaluation.corruption", "evaluation.duration_bins")
# With these, search decides nothing, and the averaged checkpoints are all kept.
COMMON = ["training.validation.metric=loss", "training.keep_best=2", "training.validate_every=3"]


def leaves(section: type[BaseModel], key: str) -> list[str]:
    """Return the keys below the movable `key` where it is a section at the top of a configuration, or else itself."""
    if "." in key:
        return [key]
    inner = section.model_fields[key].annotation
    assert inner is not None
    return [f"{key}.{name}" for name in inner.model_fields]


@pytest.mark.parametrize("task", CONFIGS)
def test_every_movable_key_is_tried(task: str) -> None:
    keys = movable_keys(CONFIGS[task])
    found = [leaf for key in keys for leaf in leaves(CONFIGS[task], key)]
    assert set(found) <= {*CHANGED, *OF_OTHER_TASKS}
    if task == "translation":
        assert set(found) - set(OF_OTHER_TASKS) == set(CHANGED)


# A new key of these sections belongs here unless it is marked, so that each is decided on.
FIXED = {
    "training": "accumulate batch_by batch_sentences batch_tokens clip_norm label_smoothing learning_rate objective "
    "optimizer output_rate_factor precision schedule seed start_from validate_every validation",
    "data": "bad_lines dev maximum_length too_long train",
    "": "model task tokenizer training data",
}


def test_every_other_key_is_fixed_on_purpose() -> None:
    movable = movable_keys(CONFIGS["translation"])
    for path, fixed in FIXED.items():
        section: Any = CONFIGS["translation"]
        if path:
            section = section.model_fields[path].annotation
        names = {name for name in section.model_fields if f"{path}.{name}".lstrip(".") not in movable}
        assert names == set(fixed.split())


def train(config: Path, run: Path, changes: dict[str, Any], *options: str) -> str:
    sets = [*COMMON, *(f"{key}={json.dumps(value)}" for key, value in changes.items())]
    arguments = ["train", str(config), "--run", str(run), "--device", "cpu", *options]
    result = CliRunner().invoke(app, [*arguments, *(part for each in sets for part in ("--set", each))])
    assert result.exit_code == 0, result.output
    return result.output


def weights(run: Path) -> dict[str, torch.Tensor]:
    return {
        f"{name}/{key}": tensor
        for name in ("last", "best")
        for key, tensor in load_file(run / "checkpoints" / name / "model.safetensors").items()
    }


def test_a_resumed_run_has_the_weights_of_one_that_had_every_changed_value_from_the_start(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(config.parent)
    dropout = {"model.dropout": 0.2}
    train(config, tmp_path / "whole", CHANGED | dropout)
    train(config, tmp_path / "parts", {"training.max_steps": 7, "training.tensorboard": False} | dropout)
    said = train(config, tmp_path / "parts", CHANGED | dropout, "--resume")
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert read_config(tmp_path / "parts" / "config.yaml") == read_config(tmp_path / "whole" / "config.yaml")
    # What changed is told in one line and noted in the log, with the values before and after.
    [line] = [line for line in said.splitlines() if line.startswith("changed: ")]
    assert "search.beam_size: was 3, now 4; " in line
    assert "training.early_stopping: was null, now {patience: 7, minimum_improvement: 0.0}" in line
    assert "data.test.few: was absent, now {places: null, source: dev.de, target: dev.en}" in line
    records = map(json.loads, (tmp_path / "parts" / "log.jsonl").read_text().splitlines())
    [resumed] = [record for record in records if record["event"] == "resume"]
    assert resumed["changed"]["training.max_steps"] == [7, 12]
    assert resumed["changed"]["training.average_best"] == [False, True]
    assert len(resumed["changed"]) == line.count(": was ")

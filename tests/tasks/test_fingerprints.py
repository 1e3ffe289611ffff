"""A run is not resumed on other data than it was started with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from self_critical_runs import invoke

from attncli.data.sets.toy_captioning import ToyPictureSizes, make_toy_captioning
from attncli.errors import RunError
from attncli.runs.folder import RunFolder


def train(config: Path, run: Path, *more: str) -> str:
    """Return the message with which `attncli train` ends, or nothing where it goes well."""
    result = invoke("train", config, "--run", run, "--device", "cpu", *more)
    assert result.exception is None or isinstance(result.exception, RunError)
    return str(result.exception or "")


MORE = ("--resume", "--set", "training.max_steps=13")


def test_changed_text_is_named(config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(config, run) == ""
    assert sorted(RunFolder(run).facts().data) == [
        "data.dev: dev.de",
        "data.dev: dev.en",
        "data.train: train.de",
        "data.train: train.en",
    ]
    shutil.copytree(config.parent, tmp_path / "moved")
    for name in ("train.en", "dev.de"):
        path = tmp_path / "moved" / name
        path.write_text(path.read_text().replace("cow", "dog", 1).replace("Kuh", "Hund", 1))
    assert train(config, run, *MORE, "--set", f"data.root={tmp_path}/moved") == (
        f"{run}: cannot be resumed, its data have changed since it was started: data.train: train.en, "
        "data.dev: dev.de; restore them, or start a new run"
    )
    shutil.rmtree(tmp_path / "moved")
    shutil.copytree(config.parent, tmp_path / "moved")
    assert train(config, run, *MORE, "--set", f"data.root={tmp_path}/moved") == ""


def test_a_run_without_fingerprints_gets_them_when_it_is_resumed(config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(config, run) == ""
    whole = json.loads((run / "metadata.json").read_text())
    for steps, lost in ((13, "data"), (14, "signatures")):
        (run / "metadata.json").write_text(json.dumps({key: whole[key] for key in whole if key != lost}))
        assert train(config, run, "--resume", "--set", f"training.max_steps={steps}") == ""
        assert json.loads((run / "metadata.json").read_text())[lost] == whole[lost]


CAPTIONING = """\
task: captioning
data:
  root: {root}
  images: images
  captions: captions.jsonl
  train: {{split: train}}
  dev: {{split: dev}}
  cache: {root}/cache
tokenizer: {{kind: word, vocabulary_size: 60}}
model:
  embedding_size: 4
  encoder: {{kind: cnn, preprocessing: {{size: 16}}, widths: [4]}}
  decoder: {{hidden_size: 5}}
training: {{max_steps: 1}}
search: {{max_length: 4}}
"""


def test_changed_images_and_captions_are_named(tmp_path: Path) -> None:
    make_toy_captioning(tmp_path / "toy", ToyPictureSizes(train=6, dev=3, test=1), seed=2)
    config, run = tmp_path / "c.yaml", tmp_path / "run"
    config.write_text(CAPTIONING.format(root=tmp_path / "toy"))
    assert train(config, run) == ""
    image = tmp_path / "toy/images/train-00002.png"
    image.write_bytes(image.read_bytes() + b"\0")
    found = train(config, run, *MORE)
    assert "have changed since it was started: data.train: 6 sources; restore them" in found
    captions = tmp_path / "toy/captions.jsonl"
    captions.write_text(captions.read_text().replace("red", "blue").replace("square", "circle"))
    found = train(config, run, *MORE)
    assert "data.train: captions.jsonl, data.train: 6 sources, data.dev: captions.jsonl; restore them" in found


@pytest.mark.parametrize("kind", ["vectors", "pictures"])
def test_changed_examples_of_an_autoencoder_are_named(tmp_path: Path, kind: str) -> None:
    data: dict[str, Any] = {"kind": kind, "root": str(tmp_path), "cache": str(tmp_path / "cache")}
    if kind == "vectors":
        for name in ("train", "dev"):
            np.save(tmp_path / f"{name}.npy", np.random.default_rng(1).normal(size=(9, 4)))
            data[name] = {"file": f"{name}.npy"}
        changed, data["size"] = tmp_path / "dev.npy", 4
    else:
        make_toy_captioning(tmp_path / "toy", ToyPictureSizes(train=4, dev=2, test=1), seed=2)
        data |= {"height": 4, "width": 4, "train": {"folder": "toy/images"}, "dev": {"folder": "toy/images"}}
        changed = tmp_path / "toy/images/dev-00001.png"
    config = {
        "task": "autoencoding",
        "data": data,
        "model": {"kind": "dense", "bottleneck": 2},
        "training": {"max_steps": 1},
    }
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    assert train(tmp_path / "c.yaml", tmp_path / "run") == ""
    if kind == "vectors":
        np.save(changed, np.zeros((9, 4)))
    else:
        changed.write_bytes(changed.read_bytes() + b"\0")
    expected = "data.dev: dev.npy" if kind == "vectors" else "data.train: 7 sources, data.dev: 7 sources"
    assert f"since it was started: {expected}; restore them" in train(tmp_path / "c.yaml", tmp_path / "run", *MORE)

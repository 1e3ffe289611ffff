"""A run is not resumed on other data than it was started with."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from self_critical_runs import invoke
from toy_captions import toy_captions

from attncli.config.captions import CaptionFile
from attncli.config.load import Config, check_config
from attncli.config.quantities import PathText
from attncli.config.section import DataSection, Section
from attncli.errors import RunError
from attncli.runs.folder import RunFolder
from attncli.tasks.fingerprints import data_fingerprints


def train(config: Path, run: Path, *more: str) -> str:
    """Return the message with which `attncli train` ends, or nothing where it goes well."""
    result = invoke("train", config, "--run", run, "--device", "cpu", *more)
    assert result.exception is None or isinstance(result.exception, RunError)
    return str(result.exception or "")


REST: dict[str, Any] = {
    "model": {"encoder": {"kind": "cnn"}, "decoder": {"hidden_size": 5}},
    "training": {"max_steps": 1},
}
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


CAPTIONER = """\
model:
  embedding_size: 4
  encoder: {kind: cnn, preprocessing: {size: 16}, widths: [4]}
  decoder: {hidden_size: 5}
training: {max_steps: 1}
search: {max_length: 4}
"""


def test_changed_images_and_captions_are_named(tmp_path: Path) -> None:
    config, run = tmp_path / "c.yaml", tmp_path / "run"
    config.write_text(toy_captions(tmp_path / "toy", train=6, dev=3, test=1) + CAPTIONER)
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
        toy_captions(tmp_path / "toy", train=4, dev=2, test=1)
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


LINES = {"file": "lines", "format": "lines", "image_names": "names"}


@pytest.mark.parametrize(
    ("captions", "split", "expected"),
    [
        (None, {"split": "train"}, ["images/captions.txt"]),
        (None, {"list": "few", "images": "more"}, ["more/captions.txt", "few"]),
        (["a", LINES], {"list": "few"}, ["a", "lines", "names", "few"]),
        (["a", LINES], {"list": "few", "captions": ["b", "few"]}, ["b", "few"]),
    ],
)
def test_a_split_is_known_by_the_files_that_it_is_read_from(
    tmp_path: Path, captions: object, split: dict[str, object], expected: list[str]
) -> None:
    for name in ("images/captions.txt", "more/captions.txt", "a", "b", "lines", "names", "few", "others"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    data: dict[str, Any] = {"root": str(tmp_path), "images": "images", "train": split}
    data["dev"] = {"list": "others", "captions": "others"}
    data |= {} if captions is None else {"captions": captions}
    config = check_config({"task": "captioning", "data": data, **REST}, where="c.yaml")
    sums = {name: hashlib.sha256(name.encode()).hexdigest() for name in expected}
    found = data_fingerprints(config, {})
    assert list(found.items()) == [
        *((f"data.train: {name}", sums[name]) for name in expected),
        ("data.dev: others", hashlib.sha256(b"others").hexdigest()),
    ]


class Speech(Section):
    """A split of a form of data that nobody has written yet."""

    folder: PathText
    transcripts: tuple[CaptionFile, ...]
    name: str = "dev"


class SpeechData(DataSection):
    """The same."""

    root: PathText
    train: Speech
    dev: Speech


def test_a_new_form_of_data_is_known_by_every_file_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "sounds").mkdir()
    for name in ("a", "b", "dev"):
        (tmp_path / name).write_text(name)
    train, dev = (
        Speech(folder="sounds", transcripts=tuple(CaptionFile(file=name) for name in names)) for names in ("ab", "b")
    )
    config = cast(Config, SimpleNamespace(data=SpeechData(root=str(tmp_path), train=train, dev=dev)))
    assert list(data_fingerprints(config, {})) == ["data.train: a", "data.train: b", "data.dev: b"]

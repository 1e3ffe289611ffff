"""Corpora of images: those that cannot be read, and features that a fixed network makes of them once."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from attncli.assembly.corpora import Corpora, fitted_tokenizers, make_corpora, open_splits
from attncli.config.load import check_config
from attncli.config.tasks.captioning import CaptioningConfig
from attncli.data.cache import fingerprint
from attncli.errors import DataError
from attncli.sources.images.efficientnet_lite0 import EfficientNetLite0
from attncli.tasks.writing import open_writing
from attncli.text.tokenizer import Tokenizers

CPU = torch.device("cpu")
CAPTIONS = {
    "train": {"a.png": ["a dog"], "b.png": ["a cow runs", "a cow", "the cow"], "c.png": ["a cat", "one cat"]},
    "dev": {"d.png": ["a horse"], "e.png": ["a dog", "the dog"]},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with three training and two dev images of noise, their captions and some weights."""
    (tmp_path / "images").mkdir()
    for at, (split, captions) in enumerate(CAPTIONS.items()):
        for name in captions:
            Image.effect_noise((40 + at, 36), 90).save(tmp_path / "images" / name)
        (tmp_path / f"{split}.csv").write_text(
            "image,caption\n" + "".join(f"{name},{text}\n" for name, texts in captions.items() for text in texts)
        )
    torch.manual_seed(1)
    network = EfficientNetLite0(layer="head", fine_tune_from=None, rate_factor=1.0, pools=True)
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    return tmp_path


def config_of(folder: Path, *, fixed: bool = False, flip: bool = False, **data: Any) -> CaptioningConfig:
    encoder: dict[str, Any] = {"kind": "cnn", "widths": [4, 5]}
    if fixed:
        encoder = {"kind": "efficientnet_lite0", "weights": str(folder / "weights.pth"), "memory_size": 5}
    values = {
        "task": "captioning",
        "data": {
            "root": str(folder),
            "images": "images",
            "train": {"captions": "train.csv"},
            "dev": {"captions": "dev.csv"},
            "cache": str(folder / "cache"),
            **data,
        },
        "tokenizer": {"kind": "word", "vocabulary_size": 20, "shared": False},
        "model": {
            "embedding_size": 6,
            "encoder": {"preprocessing": {"size": 32}, **encoder},
            "decoder": {"hidden_size": 8},
        },
        "training": {"max_steps": 1, "augmentation": {"flip": flip}},
    }
    config = check_config(values, where="test")
    assert isinstance(config, CaptioningConfig)
    return config


def prepared(config: CaptioningConfig) -> tuple[Corpora, Tokenizers]:
    task = open_writing(config, CPU, None)
    return task.corpora, task.tokenizers


def test_captions_become_corpora_and_the_vocabulary_is_that_of_training(folder: Path) -> None:
    corpora, tokenizers = prepared(config_of(folder))
    assert corpora.train.cells == [str(folder / "images" / name) for name in CAPTIONS["train"]]
    assert [list(texts) for texts in corpora.train.texts] == list(CAPTIONS["train"].values())
    assert corpora.train.source_of.tolist() == [0, 1, 1, 1, 2, 2]
    assert tokenizers.target.decode(corpora.train.target.row(3).tolist()) == "the cow"
    assert corpora.dev.references == [["a horse", "a dog"], [None, "the dog"]]
    # 4 special; a dog cow runs the cat one.
    assert tokenizers.shared
    assert tokenizers.target.size == 4 + 7
    assert corpora.notes == (
        "tokenizer: word, 11 entries (the text has no more; tokenizer.vocabulary_size allows 20)",
        "train: 3 images, 6 captions, 19 tokens",
        "dev: 2 images, 3 captions, 9 tokens",
    )


@pytest.mark.parametrize("fixed", [False, True])
def test_bad_images_leave_with_their_captions(folder: Path, fixed: bool) -> None:
    (folder / "images" / "b.png").write_bytes(b"no image")
    corpora, _ = prepared(config_of(folder, fixed=fixed, bad_pictures="skip"))
    assert [Path(cell).name for cell in corpora.train.cells] == ["a.png", "c.png"]
    assert corpora.train.source_of.tolist() == [0, 1, 1]
    assert len(corpora.train.source.lengths) == 2
    assert [list(texts) for texts in corpora.train.texts] == [["a dog"], ["a cat", "one cat"]]
    bad = f"{folder}/images/b.png: not an image of a known kind"
    assert f"train: left out 1 bad image, such as {bad}" in corpora.notes
    assert "train: 2 images, 3 captions, 9 tokens" in corpora.notes


@pytest.mark.parametrize("fixed", [False, True])
def test_every_bad_image_is_named_and_those_of_dev_are_never_skipped(folder: Path, fixed: bool) -> None:
    advice = "mend these, or leave training images out with data.bad_pictures: skip"
    for name in ("d.png", "e.png"):
        (folder / "images" / name).write_bytes(b"no image")
    for skip in ("error", "skip"):
        with pytest.raises(DataError) as caught:
            prepared(config_of(folder, fixed=fixed, bad_pictures=skip))
        assert str(caught.value).splitlines() == [
            *(f"{folder}/images/{name}: not an image of a known kind" for name in ("d.png", "e.png")),
            advice,
        ]


def test_no_image_that_can_be_read_is_an_error(folder: Path) -> None:
    for name in CAPTIONS["train"]:
        (folder / "images" / name).write_bytes(b"no image")
    with pytest.raises(DataError) as caught:
        prepared(config_of(folder, bad_pictures="skip"))
    bad = f"{folder}/images/a.png: not an image of a known kind"
    assert str(caught.value) == f"data.train: no image can be read, such as: {bad}"


@pytest.fixture
def fingerprints(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Return how often a fingerprint was taken of each file."""
    taken: Counter[str] = Counter()

    def counted(path: Path) -> str:
        taken[path.name] += 1
        return fingerprint(path)

    monkeypatch.setattr("attncli.sources.images.features.fingerprint", counted)
    return taken


@pytest.mark.parametrize("flip", [False, True])
def test_files_of_a_fixed_encoder_are_fingerprinted_once_a_start(
    folder: Path, fingerprints: Counter[str], flip: bool
) -> None:
    for starts in (1, 2):
        prepared(config_of(folder, fixed=True, flip=flip))
        assert fingerprints == {f"{name}.png": starts for name in "abcde"}


def test_files_of_an_encoder_that_learns_are_not_fingerprinted(folder: Path, fingerprints: Counter[str]) -> None:
    prepared(config_of(folder))
    assert not fingerprints


@pytest.mark.parametrize("terminal", [False, True])
def test_features_show_progress_on_a_terminal_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], terminal: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    config = config_of(folder, fixed=True, flip=True)
    prepared(config)
    found = capsys.readouterr()
    assert found.out == ""
    # Bars of training, of the mirror images and of the dev set are written over one another, and leave nothing behind.
    begun = [int(total) for total in re.findall(r" 0/(\d+) \[[^\r]* images", found.err)]
    assert begun == ([3, 3, 2] if terminal else [])
    assert not found.err.rpartition("\r")[2].strip()
    assert bool(found.err) is terminal
    # There is nothing to wait for.
    prepared(config)
    assert capsys.readouterr().err == ""


def test_given_tokenizers_are_used(folder: Path) -> None:
    config = config_of(folder)
    tokenizers = fitted_tokenizers(config_of(folder, train={"captions": "dev.csv"}), open_splits(config).dev)
    encoder = open_writing(config, CPU, None).model.encoder
    corpora = make_corpora(config, open_splits(config), tokenizers, encoder)
    # Of "a cow runs", "cow" and "runs" are in no caption of the dev set.
    assert tokenizers.target.decode(corpora.train.target.row(1).tolist()).split()[0] == "a"
    assert len({*corpora.train.target.row(1)[1:3].tolist()}) == 1

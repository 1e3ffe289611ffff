"""COMET, through a stand-in of its package with the package's interface: 2.2's functions, arguments and results."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from attncli.errors import UserError
from attncli.metrics.bootstrap import resampled_scores
from attncli.metrics.comet import DEFAULT_MODEL, comet

SOURCES = ["ein Hund", "zwei Männer", "sie"]
HYPOTHESES = ["a dog", "men", "it is she"]
REFERENCES: list[list[str | None]] = [["a dog!", "two men", "she"], ["the dog", None, "her"]]


@dataclass(frozen=True)
class Prediction:
    scores: list[float]
    system_score: float


def judgement(sample: dict[str, str]) -> float:
    return len(sample["src"]) + 10 * len(sample["mt"]) + 100 * len(sample["ref"])


@dataclass
class Network:
    path: str
    calls: list[dict[str, Any]] = field(default_factory=list)

    def predict(
        self,
        samples: list[dict[str, str]],
        batch_size: int = 16,
        gpus: int = 1,
        devices: Sequence[int] | None = None,
        mc_dropout: int = 0,
        progress_bar: bool = True,
        accelerator: str = "auto",
        num_workers: int | None = None,
        length_batching: bool = True,
    ) -> Prediction:
        self.calls.append({"gpus": gpus, "devices": devices, "progress_bar": progress_bar})
        scores = [judgement(sample) for sample in samples]
        return Prediction(scores, float(np.mean(scores)))


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> list[Network]:
    """Return the networks that are loaded from the stand-in, which is the package for this test."""
    found: list[Network] = []

    def download_model(model: str, saving_directory: str | None = None, local_files_only: bool = False) -> str:
        if model != DEFAULT_MODEL:
            raise KeyError(f"Model '{model}' not supported by COMET.")
        return f"downloaded/{model}"

    def load_from_checkpoint(checkpoint_path: str) -> Network:
        found.append(Network(checkpoint_path))
        return found[-1]

    package = ModuleType("comet")
    package.__dict__.update(download_model=download_model, load_from_checkpoint=load_from_checkpoint)
    package.__spec__ = importlib.util.spec_from_loader("comet", None)
    monkeypatch.setitem(sys.modules, "comet", package)
    monkeypatch.setattr(importlib.metadata, "version", {"unbabel-comet": "2.2.7"}.__getitem__)
    return found


def test_a_sentence_has_the_mean_over_its_references_and_a_corpus_that_over_its_sentences(
    networks: list[Network],
) -> None:
    measured = comet(SOURCES).measure(HYPOTHESES, REFERENCES)
    expected = [
        float(np.mean([judgement({"src": s, "mt": h, "ref": r}) for r in known if r is not None]))
        for s, h, known in zip(SOURCES, HYPOTHESES, zip(*REFERENCES, strict=True), strict=True)
    ]
    assert measured.sentence_scores() == pytest.approx(expected)
    assert measured.score() == pytest.approx(np.mean(expected))
    assert measured.signature == f"nrefs:2|model:{DEFAULT_MODEL}|version:2.2.7"


def test_resampled_scores_are_means_of_the_drawn_sentences(networks: list[Network]) -> None:
    measured = comet(SOURCES).measure(HYPOTHESES, REFERENCES[:1])
    [found] = resampled_scores([measured], samples=6, seed=4)
    draws, scores = np.random.default_rng(4), np.array(measured.sentence_scores())
    assert found == pytest.approx([scores[draws.integers(3, size=3)].mean() for _ in range(6)])


@pytest.mark.parametrize(("gpu", "asked"), [(None, (0, None)), (3, (1, [3]))])
def test_the_network_works_where_it_is_told(networks: list[Network], gpu: int | None, asked: tuple[int, Any]) -> None:
    comet(SOURCES, gpu=gpu, shows_progress=gpu is None).measure(HYPOTHESES, REFERENCES)
    [network] = networks
    [call] = network.calls
    assert (call["gpus"], call["devices"], call["progress_bar"]) == (*asked, gpu is None)


def test_a_name_is_downloaded_and_a_file_is_loaded_as_it_is(networks: list[Network], tmp_path: Path) -> None:
    checkpoint = tmp_path / "model.ckpt"
    checkpoint.touch()
    comet(SOURCES)
    comet(SOURCES, model=str(checkpoint))
    assert [network.path for network in networks] == [f"downloaded/{DEFAULT_MODEL}", str(checkpoint)]


def test_a_model_that_cannot_be_loaded_is_named(networks: list[Network]) -> None:
    with pytest.raises(UserError) as error:
        comet(SOURCES, model="Unbabel/none")
    assert str(error.value) == (
        "COMET: the model Unbabel/none cannot be loaded: \"Model 'Unbabel/none' not supported by COMET.\"; choose one "
        "that the package knows, or the path of a checkpoint, with --comet-model"
    )


def test_a_missing_package_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError) as error:
        comet(SOURCES)
    assert str(error.value) == (
        "COMET needs the package unbabel-comet; install it with: pip install 'attncli[comet]', or leave out comet. It "
        "downloads its model when it is first used, Unbabel/wmt22-comet-da (2.3 GB) or that of --comet-model"
    )


def test_another_package_of_the_name_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    other = ModuleType("comet")
    other.__spec__ = importlib.util.spec_from_loader("comet", None)
    monkeypatch.setitem(sys.modules, "comet", other)
    with pytest.raises(UserError, match=r"^COMET needs the package unbabel-comet, but another one called comet is"):
        comet(SOURCES)

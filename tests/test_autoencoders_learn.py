"""What autoencoders are known to learn: PCA where they are linear, copies where nothing stops them, to undo noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from attncli.config.load import check_config
from attncli.config.tasks.autoencoding import AutoencodingConfig, AutoencodingEvaluation, GaussianNoise
from attncli.evaluation.autoencoder_report import AutoencoderReport
from attncli.evaluation.autoencoders import Measured, evaluate_autoencoders
from attncli.evaluation.pca import principal_components
from attncli.runs.autoencoding import AutoencoderRun
from attncli.runs.facts import CheckpointFacts
from attncli.runs.folder import RunFolder
from attncli.sources.rows.examples import Examples
from attncli.tasks.autoencoding import open_autoencoding
from attncli.training.trainer import train

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
SIZE = 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with vectors on a curved sheet of two dimensions, and a little noise."""
    draw = np.random.default_rng(1)
    frequencies = draw.normal(size=(2, SIZE))
    for name, count in (("train", 500), ("dev", 200)):
        sheet = np.sin(draw.uniform(-2, 2, size=(count, 2)) @ frequencies + np.arange(SIZE))
        np.save(tmp_path / f"{name}.npy", sheet + 0.02 * draw.normal(size=(count, SIZE)))
    return tmp_path


def learned(folder: Path, model: dict[str, Any], **training: Any) -> Measured:
    """Return what was trained, with the PCA of what it was trained on."""
    sets = {"train": {"file": "train.npy"}, "dev": {"file": "dev.npy"}}
    common = {"max_steps": 2000, "batch_size": 100, "learning_rate": 0.01, "schedule": {"kind": "cosine"}}
    config = check_config(
        {
            "task": "autoencoding",
            "data": {"kind": "vectors", "root": str(folder), "size": SIZE, "cache": str(folder / "cache"), **sets},
            "model": {"kind": "dense", **model},
            "training": {**common, "validate_every": 2000, **training},
        },
        where="x",
    )
    assert isinstance(config, AutoencodingConfig)
    run = RunFolder(folder / f"run-{len(list(folder.glob('run-*')))}")
    run.create("task: autoencoding\n")
    task = open_autoencoding(config, CPU)
    train(task, config.training, run, device=CPU, progress=False)
    return Measured(
        run.path.name, AutoencoderRun(run.path, config, task.model.eval(), CheckpointFacts(step=2000)), _pca(folder)
    )


def _pca(folder: Path) -> Any:
    return principal_components(rows(folder, "train"))


def rows(folder: Path, name: str) -> Examples:
    values = np.load(folder / f"{name}.npy").astype(np.float32)
    return Examples(values, tuple(map(str, range(len(values)))))


def report(folder: Path, name: str, *systems: Measured) -> AutoencoderReport:
    return evaluate_autoencoders(
        rows(folder, name),
        systems,
        AutoencodingEvaluation(bootstrap_samples=10),
        name=name,
        corruption=GaussianNoise(deviation=0.3),
    )


@pytest.mark.parametrize("model", [{"bottleneck": 3}, {"widths": [8], "bottleneck": 3}])
def test_a_linear_autoencoder_finds_the_subspace_of_pca(folder: Path, model: dict[str, Any]) -> None:
    [found] = report(folder, "train", learned(folder, {"activation": "none", **model})).systems
    assert found.clean.error_ratio is not None
    # No subspace of three dimensions does better on the training data; what is below 1 is rounding.
    assert 1 - 1e-6 < found.clean.error_ratio.value < 1.001
    assert found.largest_angle is not None
    assert found.largest_angle < 1


def test_a_deep_one_does_better_than_pca_of_its_bottleneck(folder: Path) -> None:
    model = {"widths": [40], "bottleneck": 2, "activation": "tanh"}
    [found] = report(folder, "dev", learned(folder, model)).systems
    assert found.clean.error_ratio is not None
    assert found.clean.error_ratio.value < 0.5


def test_an_overcomplete_one_copies_and_a_denoising_one_does_not(folder: Path) -> None:
    model = {"bottleneck": 30, "activation": "none", "code_activation": "tanh"}
    plain = learned(folder, model)
    denoising = learned(folder, model, corruption={"kind": "gaussian", "deviation": 0.3})
    copying, mending = report(folder, "train", plain, denoising).systems
    variance = float(rows(folder, "train").values.var(0).mean())
    assert copying.clean.mse.value < 0.001 * variance
    copying, mending = report(folder, "dev", plain, denoising).systems
    assert copying.corrupted is not None
    assert mending.corrupted is not None
    assert mending.corrupted.mse.value < 0.7 * copying.corrupted.mse.value

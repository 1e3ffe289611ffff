"""Autoencoding as the training loop sees it: batches, the error that is minimised, and validation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from attncli.config.load import check_config
from attncli.config.tasks.autoencoding import AutoencodingConfig
from attncli.runs.folder import RunFolder
from attncli.runs.weights import weights_of
from attncli.tasks import autoencoding as package
from attncli.tasks.autoencoding import AutoencodingTask, open_autoencoding
from attncli.training.trainer import train

CPU = torch.device("cpu")
COUNT, SIZE = 23, 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with 23 training and 9 dev vectors that lie near a plane of two dimensions."""
    draw = np.random.default_rng(1)
    plane = draw.normal(size=(2, SIZE))
    for name, count in (("train", COUNT), ("dev", 9)):
        rows = draw.normal(size=(count, 2)) @ plane + 0.1 * draw.normal(size=(count, SIZE)) + 3
        np.save(tmp_path / f"{name}.npy", rows)
    return tmp_path


def configured(folder: Path, *, bottleneck: int = 2, **training: Any) -> AutoencodingConfig:
    values = {
        "task": "autoencoding",
        "data": {
            "kind": "vectors",
            "root": str(folder),
            "size": SIZE,
            "train": {"file": "train.npy"},
            "dev": {"file": "dev.npy"},
            "cache": str(folder / "cache"),
        },
        "model": {"kind": "dense", "bottleneck": bottleneck, "activation": "none"},
        "training": {"max_steps": 12, "batch_size": 5, "validate_every": 6, "checkpoint_every": 4, **training},
    }
    config = check_config(json.loads(json.dumps(values)), where="x")
    assert isinstance(config, AutoencodingConfig)
    return config


def made(folder: Path, **training: Any) -> AutoencodingTask:
    return open_autoencoding(configured(folder, **training), CPU)


def test_an_epoch_has_every_example_once_in_an_order_of_seed_and_number(folder: Path) -> None:
    task = made(folder)
    batches = [task.epoch(1)[index] for index in range(5)]
    assert [batch.size for batch in batches] == [5, 5, 5, 5, 3]
    assert [batch.terms for batch in batches] == [30, 30, 30, 30, 18]
    rows = torch.cat([batch.rows for batch in batches])
    assert sorted(map(tuple, rows.tolist())) == sorted(map(tuple, task.data.train.rows(slice(None)).tolist()))
    assert torch.equal(rows, torch.cat([batch.rows for batch in made(folder).epoch(1)]))
    assert not torch.equal(rows, torch.cat([batch.rows for batch in task.epoch(2)]))
    assert not torch.equal(rows, torch.cat([batch.rows for batch in made(folder, seed=2).epoch(1)]))


def test_the_model_starts_at_the_mean_of_the_training_data(folder: Path) -> None:
    expected = np.load(folder / "train.npy").mean(0)
    np.testing.assert_allclose(made(folder).model.mean.numpy(), expected, atol=1e-5)


def test_the_loss_is_the_squared_error_of_every_component(folder: Path) -> None:
    task = made(folder)
    batch = task.epoch(1)[4]
    loss = task.loss(batch)
    found = task.model(batch.rows).tolist()
    expected = sum(
        (a - b) ** 2 for x, y in zip(found, batch.rows.tolist(), strict=True) for a, b in zip(x, y, strict=True)
    )
    assert loss.total.item() == pytest.approx(expected, rel=1e-5)
    assert (loss.reported.item(), loss.terms) == (loss.total.item(), 18)
    assert loss.total.requires_grad
    assert not loss.reported.requires_grad


def test_denoising_corrupts_anew_at_every_step_and_wants_the_clean_input(folder: Path) -> None:
    task = made(folder, corruption={"kind": "gaussian", "deviation": 0.5})
    batch, seen = task.epoch(1)[0], []
    task.model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].clone()))
    before = batch.rows.clone()
    losses = [task.loss(batch) for _ in range(2)]
    assert not torch.equal(seen[0], seen[1])
    assert torch.equal(batch.rows, before)
    for rows, loss in zip(seen[:2], losses, strict=True):
        assert not torch.equal(rows, before)
        assert loss.total.item() == pytest.approx((task.model(rows) - before).square().sum().item(), rel=1e-5)


def test_validation_is_from_clean_input_and_beside_it_from_the_same_corruption_each_time(folder: Path) -> None:
    plain = made(folder)
    rows = plain.data.dev.rows(slice(None))
    with torch.no_grad():
        expected = float((plain.model(rows) - rows).square().mean())
    assert plain.dev_scores([plain.dev_part(0, 1)]) == {"loss": pytest.approx(expected, rel=1e-5)}
    task = made(folder, corruption={"kind": "masking", "share": 0.5})
    first = task.dev_scores([task.dev_part(0, 1)])
    torch.rand(3)
    assert task.dev_scores([task.dev_part(0, 1)]) == first
    assert first["loss"] == pytest.approx(expected, rel=1e-5)
    assert first["corrupted_loss"] > first["loss"]


def test_processes_validate_as_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "_DEV_ROWS", 3)
    task = made(folder, corruption={"kind": "gaussian", "deviation": 0.5})
    expected = task.dev_scores([task.dev_part(0, 1)])
    assert set(expected) == {"loss", "corrupted_loss"}
    for count in (2, 3, 5):
        assert task.dev_scores([task.dev_part(rank, count) for rank in range(count)]) == expected


@pytest.mark.parametrize("corruption", [{"kind": "gaussian"}, {"kind": "masking"}])
def test_a_broken_run_goes_on_with_the_noise_it_would_have_had(folder: Path, corruption: dict[str, Any]) -> None:
    def run(name: str, steps: int, *, resume: bool = False) -> dict[str, torch.Tensor]:
        config = configured(folder, corruption=corruption, max_steps=steps)
        place = RunFolder(folder / name)
        if not resume:
            place.create("task: autoencoding\n")
        task = open_autoencoding(config, CPU)
        train(task, config.training, place, device=CPU, resume=resume, progress=False)
        return weights_of(task.model)

    whole = run("whole", 12)
    run("parts", 7)
    parts = run("parts", 12, resume=True)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_the_log_counts_examples(folder: Path) -> None:
    config = configured(folder, log_every=6)
    place = RunFolder(folder / "run")
    place.create("task: autoencoding\n")
    train(made(folder), config.training, place, device=CPU, progress=False)
    records = [json.loads(line) for line in place.log_path.read_text().splitlines()]
    training = [record for record in records if record["event"] == "train"]
    assert len(training) == 2
    assert all("vectors_per_second" in record and "tokens_per_second" not in record for record in training)

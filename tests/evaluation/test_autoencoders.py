"""Errors of autoencoders beside PCA's, each against a loop over its definition."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import part_of

from attncli.config.load import check_config
from attncli.config.tasks.autoencoding import AutoencodingConfig, AutoencodingEvaluation, GaussianNoise
from attncli.evaluation.autoencoders import Measured, evaluate_autoencoders, pca_errors
from attncli.evaluation.pca import principal_components
from attncli.models.autoencoder import build_autoencoder
from attncli.reports.autoencoders import markdown_report, terminal_report
from attncli.runs.autoencoding import AutoencoderRun
from attncli.runs.facts import CheckpointFacts
from attncli.sources.rows.examples import Examples

COUNT, SIZE = 30, 8
SETTINGS = AutoencodingEvaluation(bootstrap_samples=50)


def examples(seed: int, *, pictures: bool) -> Examples:
    draw = np.random.default_rng(seed)
    values = draw.integers(256, size=(COUNT, SIZE), dtype=np.uint8)
    return Examples(values if pictures else values.astype(np.float32), tuple(map(str, range(COUNT))))


def run(bottleneck: int, *, pictures: bool = True, **model: Any) -> AutoencoderRun:
    sets = {"train": {"folder": "a"}, "dev": {"folder": "b"}, "kind": "pictures", "height": 2, "width": 4}
    if not pictures:
        sets = {"train": {"file": "a"}, "dev": {"file": "b"}, "kind": "vectors", "size": SIZE}
    config = check_config(
        {
            "task": "autoencoding",
            "data": sets,
            "model": {"kind": "dense", "bottleneck": bottleneck, "activation": "none", **model},
            "training": {"max_steps": 1},
        },
        where="x",
    )
    assert isinstance(config, AutoencodingConfig)
    torch.manual_seed(1)
    return AutoencoderRun(Path("runs/x"), config, build_autoencoder(config), CheckpointFacts(step=7))


def like_pca(found: AutoencoderRun, train: Examples) -> None:
    """Give `found` the weights that make it PCA, in a mixed basis."""
    pca, width = principal_components(train), found.config.model.bottleneck
    mixing = torch.eye(width) + 0.3 * torch.ones(width, width)
    directions = pca.first(width).float()
    inner, outer = (part_of(found.model, path, torch.nn.Linear) for path in ("encoder.0", "decoder.0"))
    with torch.no_grad():
        found.model.mean.copy_(pca.mean)
        inner.weight.copy_(mixing @ directions.T)
        outer.weight.copy_(directions @ torch.linalg.inv(mixing))


def test_errors_are_those_of_the_definition() -> None:
    train, test = examples(1, pictures=True), examples(2, pictures=True)
    found, pca = run(3, activation="relu"), principal_components(train)
    report = evaluate_autoencoders(test, [Measured("a", found, pca)], SETTINGS, name="test", corruption=None)
    rows = test.values / 255
    given = found.model(torch.tensor(rows).float()).detach().numpy()
    mse = sum((given[n, d] - rows[n, d]) ** 2 for n in range(COUNT) for d in range(SIZE)) / (COUNT * SIZE)
    mean, directions = pca.mean.numpy(), pca.first(3).numpy()
    projected = mean + (rows - mean) @ directions @ directions.T
    json = report.as_json()["runs"][0]
    assert json["mse"] == pytest.approx(mse, rel=1e-5)
    assert json["psnr"] == pytest.approx(10 * math.log10(1 / mse), rel=1e-5)
    assert json["pca"]["mse"] == pytest.approx(np.square(projected - rows).mean(), rel=1e-5)
    assert json["pca"]["error_ratio"] == pytest.approx(mse / json["pca"]["mse"], rel=1e-5)
    assert json["pca"]["largest_angle_degrees"] is None
    assert json["corrupted"] is None
    assert json["mse_low"] < json["mse"] < json["mse_high"]
    assert json["psnr_low"] < json["psnr"] < json["psnr_high"]
    assert (json["run"], json["step"], json["bottleneck"]) == ("a", 7, 3)


def test_a_network_that_is_pca_has_its_errors_and_its_subspace() -> None:
    train = examples(1, pictures=True)
    found = run(3)
    like_pca(found, train)
    [system] = evaluate_autoencoders(
        train, [Measured("a", found, principal_components(train))], SETTINGS, name="t", corruption=None
    ).systems
    assert system.clean.error_ratio is not None
    assert system.clean.error_ratio.value == pytest.approx(1, abs=1e-6)
    assert system.largest_angle == pytest.approx(0, abs=1e-3)


def test_corrupted_input_is_the_same_for_all_and_the_clean_one_is_wanted() -> None:
    train, test = examples(1, pictures=True), examples(2, pictures=True)
    pca, seen = principal_components(train), []
    systems = []
    for name in "ab":
        found = run(3)
        found.reconstruct = lambda rows: seen.append(rows) or rows  # type: ignore[method-assign,func-returns-value]
        systems.append(Measured(name, found, pca))
    report = evaluate_autoencoders(test, systems, SETTINGS, name="test", corruption=GaussianNoise(deviation=0.5))
    clean, _, corrupted, again = seen
    assert torch.equal(corrupted, again)
    assert torch.equal(clean, test.rows(slice(None)))
    json = report.as_json()["runs"][1]
    # What gives back its input has no error on clean input, and all the noise on the other.
    assert json["mse"] == 0
    assert json["corrupted"]["mse"] == pytest.approx(float((corrupted - clean).square().mean()), rel=1e-5)
    comparisons = report.as_json()["comparisons"]
    assert [(found["input"], found["difference"], found["p_value"]) for found in comparisons] == [
        ("clean", 0, 1),
        ("corrupted", 0, 1),
    ]


def test_vectors_have_no_peak_and_a_bottleneck_as_wide_as_the_input_no_ratio() -> None:
    train = examples(1, pictures=False)
    measured = [Measured("a", run(SIZE, pictures=False), principal_components(train))]
    report = evaluate_autoencoders(train, measured, SETTINGS, name="test", corruption=None)
    json = report.as_json()["runs"][0]
    assert (json["psnr"], json["pca"]["error_ratio"], json["pca"]["mse"]) == (None, None, 0)
    assert json["pca"]["largest_angle_degrees"] is None
    assert "0" in terminal_report(report)


def test_the_curve_of_pca_falls_from_the_variance_to_nothing() -> None:
    train = examples(1, pictures=True)
    pca, rows = principal_components(train), train.rows(slice(None))
    curve = pca_errors(pca, rows)
    expected = [float((pca.reconstruct(rows, count) - rows).square().mean()) for count in range(SIZE + 1)]
    np.testing.assert_allclose(curve, expected, atol=1e-9)


def test_the_texts_tell_every_number() -> None:
    train = examples(1, pictures=True)
    pca = principal_components(train)
    measured = [Measured("wide", run(4), pca), Measured("narrow", run(2), pca)]
    report = evaluate_autoencoders(train, measured, SETTINGS, name="held out", corruption=GaussianNoise(deviation=0.1))
    text, page = terminal_report(report), markdown_report(report, "x.png")
    wide = report.systems[0]
    for found in (text, page):
        assert f"{wide.clean.mse.value:#.4g} [" in found
        assert wide.clean.psnr is not None
        assert f"{wide.clean.psnr.value:.2f} [" in found
        assert f"{wide.largest_angle:.2f}°" in found
        assert "orrupted input (gaussian 0.1)" in found
        assert "wide − narrow, corrupted input: MSE" in found
    assert "![error by width of the bottleneck](x.png)" in page

"""PCA and angles between subspaces, against numpy's own decomposition and constructions by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from attncli.evaluation.pca import largest_principal_angle, principal_components
from attncli.sources.rows.examples import Examples


def examples(count: int, size: int) -> Examples:
    draw = np.random.default_rng(3)
    rows = draw.normal(size=(count, size)) @ np.diag(0.7 ** np.arange(size)) @ draw.normal(size=(size, size)) + 5
    return Examples(rows.astype(np.float32), tuple(map(str, range(count))))


@pytest.mark.parametrize("chunk", [4096, 7])
def test_directions_are_those_of_the_covariance(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attncli.evaluation.pca._CHUNK", chunk)
    data = examples(40, 6)
    pca = principal_components(data)
    _, vectors = np.linalg.eigh(np.cov(data.values.astype(np.float64), rowvar=False))
    expected = vectors[:, ::-1]
    agreement = np.abs((pca.directions.numpy() * expected).sum(0))
    np.testing.assert_allclose(agreement, 1, atol=1e-6)
    np.testing.assert_allclose(pca.mean.numpy(), data.values.mean(0), atol=1e-5)


def test_the_reconstruction_is_the_best_of_its_rank() -> None:
    data = examples(40, 6)
    pca, rows = principal_components(data), data.rows(slice(None))
    centred = rows.double() - pca.mean
    for count in (1, 3, 6):
        left = float((pca.reconstruct(rows, count) - rows).square().sum())
        # Eckart and Young 1936: what is left is the sum of the squares of the other singular values.
        assert left == pytest.approx(float(torch.linalg.svdvals(centred)[count:].square().sum()), abs=1e-6)


def test_fewer_examples_than_components_give_fewer_directions() -> None:
    pca = principal_components(examples(4, 6))
    assert pca.first(6).shape == (6, 4)


@pytest.mark.parametrize("degrees", [0.0, 1e-4, 0.5, 30.0, 90.0])
def test_the_largest_angle_is_that_of_the_direction_that_was_turned(degrees: float) -> None:
    basis = torch.linalg.qr(torch.randn(7, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))).Q
    turn = math.radians(degrees)
    turned = math.cos(turn) * basis[:, 2] + math.sin(turn) * basis[:, 5]
    mixed = torch.stack((basis[:, 0], basis[:, 1], turned), dim=1) @ torch.tensor(
        [[2.0, 1, 0], [0, 1, 3], [1, 0, 1]], dtype=torch.float64
    )
    assert largest_principal_angle(mixed, basis[:, :3]) == pytest.approx(degrees, abs=1e-6)

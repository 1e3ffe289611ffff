"""Measures autoencoders beside PCA of the same bottleneck: errors on clean and corrupted input, and subspaces.

N examples, D components, K width of a bottleneck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from attncli.config.tasks.autoencoding import AutoencodingEvaluation, GaussianNoise, Masking
from attncli.evaluation.autoencoder_report import (
    AutoencoderComparison,
    AutoencoderReport,
    AutoencoderSystem,
    Bounded,
    Errors,
)
from attncli.evaluation.pca import PCA, largest_principal_angle
from attncli.metrics.bootstrap import bounds, paired_difference, resampled_scores
from attncli.metrics.metric import Array, SentenceStatistics
from attncli.models.corruption import build_corruption
from attncli.runs.autoencoding import AutoencoderRun
from attncli.sources.rows.examples import Examples


@dataclass(frozen=True)
class Measured:
    """A run to be measured, its name in reports, and the PCA of its training data."""

    name: str
    run: AutoencoderRun
    pca: PCA


@dataclass(frozen=True)
class _Inputs:
    """What the networks see, and what they should return."""

    seen: Tensor  # [N, D]
    wanted: Tensor  # [N, D]
    peak: float | None  # the largest value a component can have, if there is one


def evaluate_autoencoders(
    test: Examples,
    systems: Sequence[Measured],
    settings: AutoencodingEvaluation,
    *,
    name: str,
    corruption: GaussianNoise | Masking | None,
) -> AutoencoderReport:
    """Return the errors of `systems` on `test`, from clean and, with `corruption`, from corrupted input.

    All see the same corrupted input. The same arguments give the same numbers.
    """
    rows = test.rows(slice(None))
    peak = 1.0 if test.values.dtype == np.uint8 else None
    inputs = {"clean": _Inputs(rows, rows, peak)}
    if corruption is not None:
        generator = torch.Generator().manual_seed(settings.seed)
        inputs["corrupted"] = _Inputs(build_corruption(corruption)(rows, generator), rows, peak)
    measured = {kind: _Errors.of(systems, found, settings) for kind, found in inputs.items()}
    return AutoencoderReport(
        test=name,
        examples=len(test),
        components=test.size,
        unit=systems[0].run.config.data.kind,
        corruption=None if corruption is None else corruption.model_dump(),
        samples=settings.bootstrap_samples,
        seed=settings.seed,
        systems=tuple(
            AutoencoderSystem(
                name=system.name,
                details=_details(system.run),
                bottleneck=system.run.config.model.narrowest,
                clean=measured["clean"].of_system(number),
                corrupted=measured["corrupted"].of_system(number) if "corrupted" in measured else None,
                largest_angle=largest_angle(system),
            )
            for number, system in enumerate(systems)
        ),
        comparisons=tuple(
            AutoencoderComparison(systems[a].name, systems[b].name, kind, paired_difference(*errors.difference(a, b)))
            for kind, errors in measured.items()
            for a, b in combinations(range(len(systems)), 2)
        ),
        pca_curve=pca_errors(systems[0].pca, rows),
    )


def _details(run: AutoencoderRun) -> dict[str, object]:
    return {"folder": str(run.folder), "step": run.step, "parameters": run.parameters}


@dataclass(frozen=True)
class _Errors:
    """Mean squared errors of the systems and of their PCAs, with R resampled ones each, whose columns are paired."""

    own: Array  # [systems]
    pca: Array  # [systems]
    own_resampled: Array  # [systems, R]
    pca_resampled: Array  # [systems, R]
    peak: float | None

    @classmethod
    def of(cls, systems: Sequence[Measured], inputs: _Inputs, settings: AutoencodingEvaluation) -> _Errors:
        own = [squared_errors(system.run.reconstruct(inputs.seen), inputs.wanted) for system in systems]
        pca = [
            squared_errors(system.pca.reconstruct(inputs.seen, system.run.config.model.narrowest), inputs.wanted)
            for system in systems
        ]
        statistics = [_statistics(errors, inputs.wanted) for errors in (*own, *pca)]
        resampled = resampled_scores(statistics, samples=settings.bootstrap_samples, seed=settings.seed)
        means = np.array([found.score() for found in statistics])
        half = len(systems)
        return cls(means[:half], means[half:], resampled[:half], resampled[half:], inputs.peak)

    def of_system(self, number: int) -> Errors:
        """Return what the report says of a system."""
        own, pca = self.own_resampled[number], self.pca_resampled[number]
        mse, pca_mse = float(self.own[number]), float(self.pca[number])
        # As many directions as components reconstruct everything; what is left is rounding.
        is_exact = pca_mse < 1e-20
        return Errors(
            mse=_bounded(mse, own),
            psnr=None if self.peak is None else _psnr(mse, own, self.peak),
            pca_mse=0.0 if is_exact else pca_mse,
            error_ratio=None if is_exact else _bounded(mse / pca_mse, own / pca),
        )

    def difference(self, a: int, b: int) -> tuple[float, Array, Array]:
        """Return how much larger the error of system `a` is than that of `b`, and their paired resamples."""
        return float(self.own[a] - self.own[b]), self.own_resampled[a], self.own_resampled[b]


def squared_errors(found: Tensor, wanted: Tensor) -> Tensor:
    """Return the squared error [N] of each row of `found` [N, D] against `wanted` [N, D], float64."""
    return (found.double() - wanted.double()).square().sum(1)


def _statistics(errors: Tensor, wanted: Tensor) -> SentenceStatistics:
    size = wanted.shape[1]
    values = np.stack([errors.numpy(), np.ones(len(errors))], axis=1)
    return SentenceStatistics(values, "", lambda sums: float(sums[0] / (size * sums[1])))


def _bounded(value: float, resampled: Array) -> Bounded:
    limits = bounds(resampled)
    return Bounded(value, limits.low, limits.high)


def _psnr(mse: float, resampled: Array, peak: float) -> Bounded:
    """Return the peak signal-to-noise ratio in decibels, 10 log10(peak² / mse), with bounds from resampled errors."""
    value, *others = 10 * np.log10(peak**2 / np.maximum([mse, *resampled], 1e-20))
    return _bounded(float(value), np.array(others))


def largest_angle(system: Measured) -> float | None:
    """Return the largest principal angle between what a linear decoder spans and PCA's first directions, in degrees.

    None where the model is not linear, or the bottleneck leaves no direction out.
    """
    model = system.run.config.model
    if not model.is_linear or model.narrowest >= system.pca.directions.shape[1]:
        return None
    columns = system.run.decoder_columns()  # [D, bottleneck]
    # A decoder layer narrower than the bottleneck leaves only as many independent columns.
    spanned = torch.linalg.svd(columns, full_matrices=False).U[:, : model.narrowest]
    return largest_principal_angle(spanned, system.pca.first(model.narrowest))


def pca_errors(pca: PCA, rows: Tensor) -> Array:
    """Return the mean squared error of `rows` [N, D] for each number of directions, from 0 to all."""
    centred = rows.double() - pca.mean
    explained = (centred @ pca.directions).square().sum(0).cumsum(0)
    left = centred.square().sum() - torch.cat([torch.zeros(1, dtype=torch.float64), explained])
    errors: Array = (left / rows.numel()).clamp(min=0).numpy()
    return errors

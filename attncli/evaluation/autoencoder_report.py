"""The results of an evaluation of autoencoders, and their form in `report.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from attncli.metrics.bootstrap import Difference
from attncli.metrics.metric import Array


@dataclass(frozen=True)
class Bounded:
    """A number with its 95 % bootstrap bounds."""

    value: float
    low: float
    high: float

    def as_json(self, name: str) -> dict[str, float]:
        """Return the number under `name`, and its bounds under `name_low` and `name_high`."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}

    def text(self, form: str) -> str:
        """Return the number with its bounds in brackets, each written as `form`."""
        return f"{self.value:{form}} [{self.low:{form}}, {self.high:{form}}]"


@dataclass(frozen=True)
class Errors:
    """Reconstruction errors from one kind of input, a component."""

    mse: Bounded
    psnr: Bounded | None  # of the mean squared error of all, in decibels; None where components have no largest value
    pca_mse: float
    error_ratio: Bounded | None  # to PCA; None where PCA has no error

    def as_json(self) -> dict[str, Any]:
        """Return the errors under their names in `report.json`."""
        ratio = self.error_ratio.as_json("error_ratio") if self.error_ratio else {"error_ratio": None}
        psnr = self.psnr.as_json("psnr") if self.psnr else {"psnr": None}
        return {**self.mse.as_json("mse"), **psnr, "pca": {"mse": self.pca_mse, **ratio}}


@dataclass(frozen=True)
class AutoencoderSystem:
    """The results of one run."""

    name: str
    details: Mapping[str, Any]  # folder, step, parameters
    bottleneck: int
    clean: Errors
    corrupted: Errors | None
    largest_angle: float | None  # degrees; None where the model is not linear

    def as_json(self) -> dict[str, Any]:
        """Return the run as an entry of `runs`."""
        clean = self.clean.as_json()
        clean["pca"]["largest_angle_degrees"] = self.largest_angle
        corrupted = self.corrupted.as_json() if self.corrupted else None
        return {"run": self.name, **self.details, "bottleneck": self.bottleneck, **clean, "corrupted": corrupted}


@dataclass(frozen=True)
class AutoencoderComparison:
    """How much larger the error of system `a` is than that of `b`, from clean or from corrupted input."""

    a: str
    b: str
    input: str
    mse: Difference

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as an entry of `comparisons`; `difference` is a's error minus b's."""
        return {
            "a": self.a,
            "b": self.b,
            "metric": "mse",
            "input": self.input,
            "difference": self.mse.value,
            "low": self.mse.bounds.low,
            "high": self.mse.bounds.high,
            "p_value": self.mse.p_value,
        }


@dataclass(frozen=True)
class AutoencoderReport:
    """One test set, and the runs measured on it."""

    test: str
    examples: int
    components: int
    unit: str  # "pictures" or "vectors"
    corruption: Mapping[str, Any] | None
    samples: int
    seed: int
    systems: tuple[AutoencoderSystem, ...]
    comparisons: tuple[AutoencoderComparison, ...]
    pca_curve: Array  # the error of PCA on clean input by the number of directions, from 0

    def of(self, system: AutoencoderSystem) -> AutoencoderReport:
        """Return the report on `system` alone."""
        return replace(self, systems=(system,), comparisons=())

    def as_json(self) -> dict[str, Any]:
        """Return what `report.json` holds."""
        return {
            "test": self.test,
            "examples": self.examples,
            "components": self.components,
            "corruption": self.corruption,
            "bootstrap": {"samples": self.samples, "seed": self.seed},
            "runs": [system.as_json() for system in self.systems],
            "comparisons": [comparison.as_json() for comparison in self.comparisons],
        }

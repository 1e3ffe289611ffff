"""What an evaluation of autoencoders found, as `report.json`, for a terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from attncli.evaluation.text import aligned_table, markdown_table
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
    """What was found of one run."""

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


def terminal_report(report: AutoencoderReport) -> str:
    """Return `report` as aligned columns."""
    tables = [f"{title}\n{aligned_table(*rows)}" for title, rows in _tables(report)]
    return "\n\n".join([_headline(report), *tables, *["\n".join(_comparison_lines(report))] * bool(report.comparisons)])


def markdown_report(report: AutoencoderReport, picture: str) -> str:
    """Return `report` as a Markdown page that shows the image file `picture`."""
    parts = [f"# {report.test}", _headline(report) + "."]
    for title, rows in _tables(report):
        parts += [f"## {title[0].upper()}{title[1:]}", markdown_table(*rows)]
    parts += ["## Error by width of the bottleneck", f"![error by width of the bottleneck]({picture})"]
    if report.comparisons:
        parts += ["## Comparisons", "\n".join(f"- {line}" for line in _comparison_lines(report))]
    return "\n\n".join(parts) + "\n"


def _headline(report: AutoencoderReport) -> str:
    return (
        f"{report.test}: {report.examples} {report.unit} of {report.components} components; in brackets 95 % bounds "
        f"from {report.samples} bootstrap resamples (seed {report.seed})"
    )


def _tables(report: AutoencoderReport) -> list[tuple[str, tuple[Sequence[str], list[Sequence[str]]]]]:
    clean = _rows(report.systems, [system.clean for system in report.systems], angles=True)
    tables = [("clean input", clean)]
    corrupted = [system.corrupted for system in report.systems if system.corrupted]
    if corrupted and report.corruption:
        kind, amount = report.corruption.values()
        tables.append((f"corrupted input ({kind} {amount:g})", _rows(report.systems, corrupted, angles=False)))
    return tables


def _rows(
    systems: Sequence[AutoencoderSystem], found: Sequence[Errors], *, angles: bool
) -> tuple[Sequence[str], list[Sequence[str]]]:
    shows_angle = angles and any(system.largest_angle is not None for system in systems)
    header = ["run", "code", "MSE ↓", "PSNR (dB)", "MSE of PCA", "ratio ↓", *["angle to PCA"] * shows_angle]
    rows: list[Sequence[str]] = []
    for system, errors in zip(systems, found, strict=True):
        angle = "" if system.largest_angle is None else f"{system.largest_angle:.2f}°"
        row = [
            system.name,
            str(system.bottleneck),
            errors.mse.text("#.4g"),
            errors.psnr.text(".2f") if errors.psnr else "",
            f"{errors.pca_mse:#.4g}" if errors.pca_mse else "0",
            errors.error_ratio.text(".4f") if errors.error_ratio else "",
        ]
        rows.append([*row, *[angle] * shows_angle])
    return header, rows


def _comparison_lines(report: AutoencoderReport) -> list[str]:
    return [
        f"{found.a} − {found.b}, {found.input} input: MSE {found.mse.value:+.3g} [{found.mse.bounds.low:+.3g}, "
        f"{found.mse.bounds.high:+.3g}], p = {found.mse.p_value:.3f} (paired bootstrap)"
        for found in report.comparisons
    ]

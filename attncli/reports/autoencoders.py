"""Results of an evaluation of autoencoders, for a terminal, in Markdown, and as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attncli.evaluation.autoencoder_report import AutoencoderReport, AutoencoderSystem, Errors
from attncli.reports.by_bottleneck import by_bottleneck_figure
from attncli.reports.output import write_files
from attncli.reports.tables import Table, latex_page, markdown_table, terminal_table
from attncli.reports.values import autoencoder_values

PICTURE = "by_bottleneck.png"


def write_autoencoder_report(report: AutoencoderReport, folder: Path) -> list[str]:
    """Write `report` into `folder`, made if need be, and return the names of the files."""
    return write_files(
        folder,
        report.as_json(),
        pages={"report.md": markdown_report(report, PICTURE), "tables.tex": latex_report(report)},
        texts=autoencoder_values(report),
        figures={PICTURE: by_bottleneck_figure(report)},
    )


def terminal_report(report: AutoencoderReport) -> str:
    """Return `report` as aligned columns."""
    tables = [f"{title}\n{terminal_table(*rows)}" for title, rows in _tables(report)]
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


def latex_report(report: AutoencoderReport) -> str:
    """Return the tables of `report` for LaTeX."""
    return latex_page(_headline(report), _tables(report), _comparison_lines(report))


def _headline(report: AutoencoderReport) -> str:
    return (
        f"{report.test}: {report.examples} {report.unit} of {report.components} components; in brackets 95 % bounds "
        f"from {report.samples} bootstrap resamples (seed {report.seed})"
    )


def _tables(report: AutoencoderReport) -> list[tuple[str, Table]]:
    clean = _rows(report.systems, [system.clean for system in report.systems], angles=True)
    tables = [("clean input", clean)]
    corrupted = [system.corrupted for system in report.systems if system.corrupted]
    if corrupted and report.corruption:
        kind, amount = report.corruption.values()
        tables.append((f"corrupted input ({kind} {amount:g})", _rows(report.systems, corrupted, angles=False)))
    return tables


def _rows(systems: Sequence[AutoencoderSystem], found: Sequence[Errors], *, angles: bool) -> Table:
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

"""Writes what an evaluation of autoencoders found: report.json, report.md and by_bottleneck.png."""

from __future__ import annotations

from pathlib import Path

from attncli.evaluation.autoencoder_report import AutoencoderReport, markdown_report
from attncli.evaluation.output import write_files
from attncli.visualization.by_bottleneck import by_bottleneck_figure

PICTURE = "by_bottleneck.png"


def write_autoencoder_report(report: AutoencoderReport, folder: Path) -> list[Path]:
    """Write `report` into `folder`, made if need be, and return the paths."""
    figures = {PICTURE: by_bottleneck_figure(report)}
    return write_files(folder, report.as_json(), markdown_report(report, PICTURE), figures)

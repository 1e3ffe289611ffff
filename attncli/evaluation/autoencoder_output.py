"""Writes what an evaluation of autoencoders found: report.json, report.md and by_bottleneck.png."""

from __future__ import annotations

import json
from pathlib import Path

from attncli.evaluation.autoencoder_report import AutoencoderReport, markdown_report
from attncli.visualization.by_bottleneck import by_bottleneck_figure
from attncli.visualization.figures import save_figure, writing_into

PICTURE = "by_bottleneck.png"


def write_autoencoder_report(report: AutoencoderReport, folder: Path) -> list[Path]:
    """Write `report` into `folder`, made if need be, and return the paths."""
    paths = [folder / "report.json", folder / "report.md", folder / PICTURE]
    with writing_into(folder):
        paths[0].write_text(json.dumps(report.as_json(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        paths[1].write_text(markdown_report(report, PICTURE), encoding="utf-8")
        save_figure(by_bottleneck_figure(report), paths[2])
    return paths

"""Writes the files of an evaluation: report.json, report.md, by_length.png and the hypotheses."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from attncli.drawing.figures import save_figure
from attncli.evaluation.evaluate import System
from attncli.evaluation.report import Report
from attncli.files import writing_into
from attncli.reports.by_length import by_length_figure
from attncli.reports.text import markdown_text

PICTURE = "by_length.png"


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write `report` into `folder`, made if need be, and return the paths."""
    return write_files(folder, report.as_json(), markdown_text(report, PICTURE), {PICTURE: by_length_figure(report)})


def write_files(folder: Path, values: object, page: str, figures: Mapping[str, Figure]) -> list[Path]:
    """Write report.json of `values`, report.md of `page`, and `figures` by their names; return the paths."""
    paths = [folder / "report.json", folder / "report.md", *(folder / name for name in figures)]
    with writing_into(folder):
        paths[0].write_text(json.dumps(values, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        paths[1].write_text(page, encoding="utf-8")
        for path, figure in zip(paths[2:], figures.values(), strict=True):
            save_figure(figure, path)
    return paths


def write_hypotheses(systems: Sequence[System], folder: Path) -> list[Path]:
    """Write each system's hypotheses, one a line: `hypotheses.txt`, or one file named after each of several."""
    names = ["hypotheses.txt"]
    if len(systems) > 1:
        names = [f"hypotheses.{re.sub(r'[^-.A-Za-z0-9_]+', '_', system.name)}.txt" for system in systems]
    paths = [folder / name for name in names]
    with writing_into(folder):
        for path, system in zip(paths, systems, strict=True):
            with path.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(f"{line}\n" for line in system.hypotheses)
    return paths

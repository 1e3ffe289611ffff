"""Writes the files of an evaluation: report.json, report.md, by_length.png and the hypotheses."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from matplotlib.figure import Figure

from attncli.drawing.figures import save_figure
from attncli.errors import escaped, escaped_json
from attncli.evaluation.evaluate import System
from attncli.evaluation.report import Report
from attncli.files.writing import replacing, writing_into
from attncli.reports.by_length import by_length_figure
from attncli.reports.text import markdown_text

PICTURE = "by_length.png"
_LONGEST_NAME = 180  # bytes of a system's name in that of a file, of the 255 that systems allow


def write_report(report: Report, folder: Path, hypotheses: Sequence[System]) -> list[Path]:
    """Write `report` and the lines of `hypotheses` into `folder`, made if need be, and return the paths.

    There are `hypotheses.txt`, or a file named after each of several systems.
    """
    texts = {
        name: "".join(f"{line}\n" for line in system.hypotheses)
        for name, system in zip(_file_names(hypotheses), hypotheses, strict=True)
    }
    page = markdown_text(report, PICTURE)
    return write_files(folder, report.as_json(), page, {PICTURE: by_length_figure(report)}, texts)


def write_files(
    folder: Path, values: object, page: str, figures: Mapping[str, Figure], texts: Mapping[str, str] | None = None
) -> list[Path]:
    """Write report.json of `values`, report.md of `page`, and `figures` and `texts` by their names; return the paths.

    No file of an earlier report is replaced before all of them are written.
    """
    contents: dict[str, str | Figure] = {
        "report.json": escaped_json(json.dumps(values, ensure_ascii=False, indent=2) + "\n"),
        "report.md": escaped(page, keep="\n"),
        **figures,
        **(texts or {}),
    }
    with writing_into(folder), ExitStack() as ends:
        for name, content in contents.items():
            partial = ends.enter_context(replacing(folder / name))
            if isinstance(content, str):
                partial.write_text(content, encoding="utf-8", newline="\n")
            else:
                save_figure(content, partial)
    return [folder / name for name in contents]


def _file_names(systems: Sequence[System]) -> list[str]:
    """Return a different file name for each of `systems`."""
    if len(systems) == 1:
        return ["hypotheses.txt"]
    names: dict[str, str] = {}
    for system in systems:
        plain = re.sub(r"[^-.\w]+", "_", system.name).encode()[-_LONGEST_NAME:].decode(errors="ignore")
        name, count = f"hypotheses.{plain}.txt", 1
        while _as_one(name) in names:
            count += 1
            name = f"hypotheses.{plain}-{count}.txt"
        names[_as_one(name)] = name
    return list(names.values())


def _as_one(name: str) -> str:
    """Return what `name` shares with the names that some file system takes for the same: other cases, other accents."""
    return unicodedata.normalize("NFC", name).casefold()

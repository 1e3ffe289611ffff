"""Writes the files of an evaluation: the report as JSON, Markdown, CSV and LaTeX, its figure, and the hypotheses."""

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
from attncli.evaluation.test_set import EvaluationSet
from attncli.files.writing import replacing, writing_into
from attncli.reports.by_group import by_group_figure
from attncli.reports.by_length import by_length_figure
from attncli.reports.text import latex_text, markdown_text
from attncli.reports.values import report_values, sentences_text

PICTURE = "by_length.png"
GROUPS_PICTURE = "by_group.png"
_LONGEST_NAME = 180  # bytes of a system's name in that of a file, of the 255 that systems allow


def write_report(
    report: Report, folder: Path, *, test: EvaluationSet, systems: Sequence[System], decoded: Sequence[System]
) -> list[str]:
    """Write `report` on `systems` into `folder`, made if need be, and return the names of the files.

    What was `decoded` is in `hypotheses.txt`, or in a file named after each of several systems.
    """
    texts = {
        name: "".join(f"{line}\n" for line in system.hypotheses)
        for name, system in zip(_file_names(decoded), decoded, strict=True)
    }
    return write_files(
        folder,
        report.as_json(),
        pages={"report.md": markdown_text(report, PICTURE), "tables.tex": latex_text(report)},
        texts={**report_values(report), "sentences.jsonl": sentences_text(report, test, systems), **texts},
        figures={
            PICTURE: by_length_figure(report),
            **({GROUPS_PICTURE: by_group_figure(report)} if report.variants[0].by_group else {}),
        },
    )


def write_files(
    folder: Path, values: object, *, pages: Mapping[str, str], texts: Mapping[str, str], figures: Mapping[str, Figure]
) -> list[str]:
    """Write report.json of `values`, and the others by their names, `pages` with control characters escaped.

    Return the names. No file of an earlier report is replaced before all of them are written.
    """
    contents: dict[str, str | Figure] = {
        "report.json": escaped_json(json.dumps(values, ensure_ascii=False, indent=2) + "\n"),
        **{name: escaped(page, keep="\n") for name, page in pages.items()},
        **texts,
        **figures,
    }
    with writing_into(folder), ExitStack() as ends:
        for name, content in contents.items():
            partial = ends.enter_context(replacing(folder / name))
            if isinstance(content, str):
                partial.write_text(content, encoding="utf-8", newline="\n")
            else:
                save_figure(content, partial)
    return list(contents)


def _file_names(systems: Sequence[System]) -> list[str]:
    """Return a different file name for each of `systems`."""
    if len(systems) == 1:
        return ["hypotheses.txt"]
    names: dict[str, str] = {}
    for system in systems:
        bare = re.sub(r"[^-.\w]+", "_", system.name.removesuffix(".txt"))
        plain = bare.encode()[-_LONGEST_NAME:].decode(errors="ignore")
        name, count = f"hypotheses.{plain}.txt", 1
        while _as_one(name) in names:
            count += 1
            name = f"hypotheses.{plain}-{count}.txt"
        names[_as_one(name)] = name
    return list(names.values())


def _as_one(name: str) -> str:
    """Return what `name` shares with the names that some file system takes for the same: other cases, other accents."""
    return unicodedata.normalize("NFC", name).casefold()

"""Alignments as one self-contained web page; pointing at a cell shows its value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from attncli.drawing.labels import readable
from attncli.drawing.pages import rendered
from attncli.sources.text.alignment import Alignment


@dataclass(frozen=True)
class _Cell:
    """A cell of a map: what pointing at it tells, the share of its colour, and its marks as classes."""

    says: str
    share: str
    classes: str


@dataclass(frozen=True)
class _Map:
    """What the page shows of an alignment."""

    source: str
    target: str
    kind: str  # given target, or output
    columns: list[str]
    rows: list[tuple[str, list[_Cell]]]
    largest: str
    has_windows: bool
    has_choices: bool


def page(alignments: Sequence[Alignment], *, of: str, largest: float | None = None) -> str:
    """Return an HTML page of `alignments` `of` a run, which refers to nothing outside itself.

    The darkest cells stand for the weight `largest`, by default the largest of each alignment.
    """
    maps = [_map(alignment, largest) for alignment in alignments]
    return rendered("attncli.sources.text", of=of, maps=maps)


def _map(alignment: Alignment, largest: float | None) -> _Map:
    source, target = (readable(tokens) for tokens in (alignment.source_tokens, alignment.rows))
    most = max(float(alignment.weights.max()) if largest is None else largest, 1e-6)
    classes = _classes(alignment)
    rows = [
        (
            label,
            [
                _Cell(f"{label} → {column}: {weight:.3f}", f"{weight / most:.3f}", " ".join(marks))
                for column, weight, marks in zip(source, weights, of_row, strict=True)
            ],
        )
        for label, weights, of_row in zip(target, alignment.weights, classes, strict=True)
    ]
    return _Map(
        source=alignment.source,
        target=alignment.target,
        kind="given target" if alignment.forced else "output",
        columns=source,
        rows=rows,
        largest=f"{most:.2g}",
        has_windows=bool(alignment.windows()),
        has_choices=bool(alignment.chosen()),
    )


def _classes(alignment: Alignment) -> list[list[list[str]]]:
    """Return the classes of each cell of each row: outside the window, its centre, the position read."""
    found: list[list[list[str]]] = [[[] for _ in row] for row in np.asarray(alignment.weights)]
    for cells, (centre, first, last) in zip(found, alignment.windows(), strict=False):
        for at, cell in enumerate(cells):
            if not first <= at <= last:
                cell.append("outside")
            elif at == round(centre):
                cell.append("centre")
    for cells, at in zip(found, alignment.chosen(), strict=False):
        cells[at].append("chosen")
    return found

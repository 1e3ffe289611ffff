"""Writes alignments: a picture each, or one page or list of numbers of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from attncli.drawing.figures import save_figure
from attncli.files import writing_into
from attncli.sources.text.alignment import Alignment, json_text
from attncli.sources.text.heat_map import heat_map, heat_map_fonts
from attncli.sources.text.page import page


def draw_alignments(
    alignments: Sequence[Alignment], folder: Path, suffix: str, *, warn: Callable[[str], None]
) -> list[Path]:
    """Write `alignment-1.png` and so on into `folder` and return the paths; `suffix` is png or svg.

    `warn` is told of characters that no installed font has; in SVG the viewer chooses fonts, so it is not called.
    """
    digits = len(str(len(alignments)))
    fonts = heat_map_fonts(alignments)
    if fonts.warning and suffix == "png":
        warn(fonts.warning)
    paths = [folder / f"alignment-{number:0{digits}}.{suffix}" for number in range(1, len(alignments) + 1)]
    with writing_into(folder):
        for path, alignment in zip(paths, alignments, strict=True):
            save_figure(heat_map(alignment, fonts), path)
    return paths


def write_text(alignments: Sequence[Alignment], folder: Path, suffix: str, *, title: str) -> Path:
    """Write all of `alignments` into `folder` as `alignments.json` or `alignments.html` and return the path."""
    path = folder / f"alignments.{suffix}"
    text = json_text(alignments) if suffix == "json" else page(alignments, title=title)
    with writing_into(folder):
        path.write_text(text, encoding="utf-8")
    return path

"""Draws alignments of sentences: a figure each, or one page or list of numbers of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from attncli.decoding.written import Written
from attncli.drawing.figures import save_figure
from attncli.sources.source import Drawer, Tell
from attncli.sources.text.alignment import alignment_of, json_text
from attncli.sources.text.heat_map import heat_map, heat_map_fonts
from attncli.sources.text.page import page


class TextDrawer(Drawer):
    """Heat maps with a row for each token of the output and a column for each of the source."""

    formats = ("png", "svg", "html", "json")

    def draw(
        self, found: Sequence[Written], folder: Path, format: str, *, title: str, forced: bool, tell: Tell
    ) -> Iterator[Path]:
        """Draw `alignment-1.png` and so on, or all of `found` into `alignments.html` or `alignments.json`.

        Characters that no installed font has are told; in SVG the viewer chooses fonts.
        """
        alignments = [alignment_of(each, forced=forced) for each in found]
        if format in ("html", "json"):
            path = folder / f"alignments.{format}"
            text = json_text(alignments) if format == "json" else page(alignments, title=title)
            path.write_text(text, encoding="utf-8")
            yield path
            return
        digits = len(str(len(alignments)))
        fonts = heat_map_fonts(alignments)
        if fonts.warning and format == "png":
            tell(f"warning: {fonts.warning}")
        for number, alignment in enumerate(alignments, start=1):
            path = folder / f"alignment-{number:0{digits}}.{format}"
            save_figure(heat_map(alignment, fonts), path)
            yield path

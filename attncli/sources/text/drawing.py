"""Draws alignments of sentences: a figure each, or one HTML page or JSON file of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from attncli.decoding.written import Written
from attncli.drawing.figures import save_figure
from attncli.files.writing import write_text
from attncli.sources.panel import Panel
from attncli.sources.source import Drawer, Look, Tell
from attncli.sources.text.alignment import alignment_of, json_text
from attncli.sources.text.heat_map import check_size, heat_map, heat_map_fonts
from attncli.sources.text.page import page
from attncli.sources.text.words import Words


class TextDrawer(Drawer):
    """Heat maps with a row for each output token and a column for each source token."""

    formats = ("png", "svg", "pdf", "html", "json")

    def draw(
        self, found: Sequence[Written], folder: Path, format: str, *, look: Look, forced: bool, tell: Tell
    ) -> Iterator[Path]:
        """Draw `alignment-1.png` and so on, or all of `found` into `alignments.html` or `alignments.json`.

        For PNG and PDF, `tell` hears of characters that no installed font has; in SVG the viewer chooses the fonts.
        Raises DataError, before anything is drawn, for a sentence that is too long for a figure.
        """
        alignments = [alignment_of(each, forced=forced) for each in found]
        largest = max(float(each.weights.max()) for each in alignments) if look.shared_scale else None
        if format in ("html", "json"):
            path = folder / f"alignments.{format}"
            is_json = format == "json"
            write_text(path, json_text(alignments) if is_json else page(alignments, of=look.caption, largest=largest))
            yield path
            return
        for number, each in enumerate(alignments, start=1):
            check_size(len(each.source_tokens), len(each.target_tokens), where=f"sentence {number}")
        digits = len(str(len(alignments)))
        fonts = heat_map_fonts(alignments)
        if fonts.warning and format != "svg":
            tell(f"warning: {fonts.warning}")
        for number, alignment in enumerate(alignments, start=1):
            path = folder / f"alignment-{number:0{digits}}.{format}"
            save_figure(heat_map(alignment, fonts, caption=look.caption, largest=largest), path)
            yield path

    def panel(self, found: Written, *, width: float) -> Panel:
        """Return the words of the sentence, shaded."""
        return Words.of(found, width=width)

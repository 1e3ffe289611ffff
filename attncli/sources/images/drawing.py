"""Draws images under the weights of each word, and contact sheets of images with their captions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from attncli.config.sources.images import Preprocessing
from attncli.decoding.written import Written
from attncli.drawing.figures import save_figure
from attncli.drawing.fonts import Fonts, fonts_for
from attncli.drawing.labels import readable
from attncli.files.writing import write_text
from attncli.sources.images.contact_sheet import Captioned, contact_sheets
from attncli.sources.images.files import read_image
from attncli.sources.images.placement import place
from attncli.sources.images.regions import LONGEST_SIDE, LookedAt, RegionsPanel, json_text, reduced, regions_figure
from attncli.sources.panel import Panel
from attncli.sources.source import Drawer, Look, Tell

_LONGEST_STEM = 50  # characters, so that a name of up to four bytes each is shorter than the 255 that systems allow


@dataclass(frozen=True)
class ImageDrawer(Drawer):
    """A figure per image, with a tile per word, and contact sheets of several images."""

    preprocessing: Preprocessing

    formats = ("png", "svg", "pdf", "json")
    shows_sources = True

    def draw(
        self, found: Sequence[Written], folder: Path, format: str, *, look: Look, forced: bool, tell: Tell
    ) -> Iterator[Path]:
        """Draw `attention-1-NAME.png` and so on; also contact sheets, if there are several images or no weights.

        Images are read again one by one, so that few are in memory at any time.
        """
        if format == "json":
            path = folder / "attention.json"
            write_text(path, json_text(self._looked_at(each) for each in found))
            yield path
            return
        fonts = fonts_for(text for each in found for text in (each.best.text, *readable(each.best.rows)))
        weights = [each.best.weights for each in found if each.best.weights is not None]
        has_weights = len(weights) == len(found)
        if has_weights:
            digits = len(str(len(found)))
            largest = max(float(each.max()) for each in weights) if look.shared_scale else None
            for number, each in enumerate(found, start=1):
                path = folder / f"attention-{number:0{digits}}-{Path(each.cell).stem[:_LONGEST_STEM]}.{format}"
                save_figure(regions_figure(self._looked_at(each), fonts, look, largest=largest), path)
                yield path
        if len(found) > 1 or not has_weights:
            yield from _draw_sheets(found, fonts, folder, format, caption=look.caption)

    def panel(self, found: Written, *, width: float) -> Panel:
        """Return the image, shaded."""
        return RegionsPanel.of(self._looked_at(found), width=width)

    def _looked_at(self, found: Written) -> LookedAt:
        path, best = Path(found.cell), found.best
        assert best.weights is not None, "figures of images need weights"
        image = read_image(path)
        placement = place(image.size, self.preprocessing)
        return LookedAt(
            path, image, placement, best.text, best.tokens, best.weights, best.log_prob, best.marks, best.looks
        )


def _draw_sheets(found: Sequence[Written], fonts: Fonts, folder: Path, format: str, *, caption: str) -> Iterator[Path]:
    # Read as small as they are shown: sheets may have hundreds of images.
    shown = [
        Captioned(reduced(read_image(Path(each.cell), shorter_side=LONGEST_SIDE)), each.best.text) for each in found
    ]
    pages = contact_sheets(shown, fonts, caption=caption)
    for number, page in enumerate(pages, start=1):
        part = f"-{number:0{len(str(len(pages)))}}" if len(pages) > 1 else ""
        path = folder / f"contact-sheet{part}.{format}"
        save_figure(page, path)
        yield path

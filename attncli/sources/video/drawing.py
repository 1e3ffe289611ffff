"""Draws films under the weights of each word: a strip of frames per film, and one page or JSON file of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from attncli.config.sources.video import Frames
from attncli.data.columns import Array
from attncli.data.direction import is_backwards
from attncli.decoding.written import Written
from attncli.drawing.figures import save_figure
from attncli.drawing.fonts import Fonts, fonts_for
from attncli.drawing.labels import readable
from attncli.files.writing import write_text
from attncli.sources.source import Drawer, Look, Tell
from attncli.sources.video.page import page
from attncli.sources.video.reader import opened, sampling_of
from attncli.sources.video.strip import LookedAtFilm, film_figure, json_text

_LONGEST_SIDE = 160  # pixels of a drawn frame
_LONGEST_STEM = 50  # characters, so that a name of up to four bytes each is shorter than the 255 that systems allow


@dataclass(frozen=True)
class FilmDrawer(Drawer):
    """A figure per film, with the frames that the encoder of `section` reads and a row per word."""

    section: Frames

    formats = ("png", "svg", "pdf", "html", "json")

    def draw(
        self, found: Sequence[Written], folder: Path, format: str, *, look: Look, forced: bool, tell: Tell
    ) -> Iterator[Path]:
        """Draw `attention-1-NAME.png` and so on, or all of `found` into `attention.html` or `attention.json`.

        Films are read again one by one, so that the frames of few are in memory at any time.
        """
        fonts = fonts_for(text for each in found for text in (each.best.text, *readable(each.best.rows)))
        weights = [each.best.weights for each in found if each.best.weights is not None]
        largest = max(float(each.max()) for each in weights) if look.shared_scale and weights else None
        if format in ("html", "json"):
            path = folder / f"attention.{format}"
            figures = ((each, self._figure(each, fonts, look, largest)) for each in found)
            write_text(path, json_text(found) if format == "json" else page(figures, look))
            yield path
            return
        for number, each in enumerate(found, start=1):
            name = f"attention-{number:0{len(str(len(found)))}}-{Path(each.cell).stem[:_LONGEST_STEM]}.{format}"
            save_figure(self._figure(each, fonts, look, largest), folder / name)
            yield folder / name

    def _figure(self, found: Written, fonts: Fonts, look: Look, largest: float | None) -> Figure:
        taken = sampling_of(self.section).taken(opened(found.cell, self.section), _reduced, name=found.cell)
        frames = taken.frames[::-1] if is_backwards(found.cell) else taken.frames
        looked = LookedAtFilm(found.cell, frames, found.best)
        return film_figure(looked, self.section.frame.preprocessing, fonts, look, largest=largest)


def _reduced(frame: Image.Image) -> Array:
    """Return `frame` scaled to a longer side of _LONGEST_SIDE pixels."""
    factor = _LONGEST_SIDE / max(frame.size)
    size = max(1, round(frame.width * factor)), max(1, round(frame.height * factor))
    return np.asarray(frame.resize(size, Image.Resampling.BICUBIC))

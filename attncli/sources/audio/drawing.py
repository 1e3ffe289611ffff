"""Draws recordings with the weights of each token: a figure each, or one HTML page or JSON file of all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from attncli.data.direction import is_backwards, mark_of
from attncli.decoding.written import Written
from attncli.drawing.figures import save_figure
from attncli.drawing.fonts import fonts_for
from attncli.drawing.labels import readable
from attncli.errors import escaped_json
from attncli.files.writing import write_text
from attncli.sources.audio.features import normalised
from attncli.sources.audio.page import page
from attncli.sources.audio.reader import MatrixFeatures, SoundFeatures
from attncli.sources.audio.spectrogram import Listened, check_size, spectrogram_figure
from attncli.sources.source import Drawer, Look, Tell
from attncli.sources.words_in_time import SpokenWord, spoken_words

_LONGEST_STEM = 50  # characters, so that a name of up to four bytes each is shorter than the 255 that systems allow


@dataclass(frozen=True)
class AudioDrawer(Drawer):
    """A figure per recording: the spectrogram, the words in time, and the weights of each token."""

    features: SoundFeatures | MatrixFeatures
    seconds_of_frame: float

    formats = ("png", "svg", "pdf", "html", "json")

    def draw(
        self, found: Sequence[Written], folder: Path, format: str, *, look: Look, forced: bool, tell: Tell
    ) -> Iterator[Path]:
        """Draw `attention-1-NAME.png` and so on, or all of `found` into `attention.html` or `attention.json`.

        Recordings are read again one by one, so that few are in memory at any time. Raises DataError, before anything
        is drawn, for a transcript that is too long for a figure.
        """
        if format == "json":
            path = folder / "attention.json"
            text = json.dumps([self._listened(each, look).as_json() for each in found], ensure_ascii=False, indent=1)
            write_text(path, escaped_json(text + "\n"))
            yield path
            return
        for each in found:
            check_size(each)
        fonts = fonts_for(text for each in found for text in (each.best.text, *readable(each.best.rows)))
        if fonts.warning and format in ("png", "pdf"):
            tell(f"warning: {fonts.warning}")
        weights = [each.best.weights for each in found if each.best.weights is not None]
        largest = max(float(each.max()) for each in weights) if look.shared_scale else None
        caption = f"{look.caption}; given transcript" if forced else look.caption
        if format == "html":
            path = folder / "attention.html"
            listened = (self._listened(each, look) for each in found)
            drawn = ((each, spectrogram_figure(each, fonts, largest=largest)) for each in listened)
            write_text(path, page(drawn, of=caption))
            yield path
            return
        digits = len(str(len(found)))
        for number, each in enumerate(found, start=1):
            path = folder / f"attention-{number:0{digits}}-{Path(each.cell).stem[:_LONGEST_STEM]}.{format}"
            save_figure(spectrogram_figure(self._listened(each, look), fonts, caption=caption, largest=largest), path)
            yield path

    def _listened(self, found: Written, look: Look) -> Listened:
        best, seconds = found.best, found.places.seconds
        assert best.weights is not None, "figures of recordings need weights"
        assert seconds is not None, "recordings lie in time"
        features = self.features(Path(found.cell))
        if isinstance(self.features, MatrixFeatures):
            # Those of other people need not share a scale: the first of MFCCs would leave the others dark.
            features = normalised(features)
        return Listened(
            found.cell + mark_of(found.cell),
            best.text,
            best.tokens,
            best.weights,
            best.log_prob,
            seconds,
            features[::-1] if is_backwards(found.cell) else features,
            self.seconds_of_frame,
            spoken_words(found),
            tuple(
                SpokenWord(word, *place.seconds)
                for word, place in look.gold.get(found.cell, ())
                if place.seconds is not None
            ),
            best.marks,
            best.looks,
        )

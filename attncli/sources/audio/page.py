"""Recordings as one self-contained web page: what was written is heard where attention says it was said."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from attncli.drawing.figures import quiet_glyphs
from attncli.drawing.pages import rendered
from attncli.sources.audio.spectrogram import Listened
from attncli.sources.words_in_time import SpokenWord

# Those that browsers play; other files are shown without their sound.
_TYPES = {
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".wav": "audio/wav",
}
_LARGEST = 20_000_000  # bytes of a file that is put into the page


@dataclass(frozen=True)
class _Heard:
    """What the page shows of a recording."""

    path: str
    words: tuple[SpokenWord, ...]
    figure: str  # as a data URL
    sound: str | None


def page(drawn: Iterable[tuple[Listened, Figure]], *, of: str) -> str:
    """Return an HTML page of recordings with their figures, `of` a run, which refers to nothing outside itself."""
    heard = [_Heard(each.path, each.words, _png(figure), _sound(Path(each.path))) for each, figure in drawn]
    return rendered("attncli.sources.audio", of=of, recordings=heard)


def _png(figure: Figure) -> str:
    content = io.BytesIO()
    with quiet_glyphs():
        figure.savefig(content, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    return _url("image/png", content.getvalue())


def _sound(path: Path) -> str | None:
    kind = _TYPES.get(path.suffix.lower())
    # Browsers play nothing backwards, and the mark of a recording that was read so is part of its suffix.
    return None if kind is None or path.stat().st_size > _LARGEST else _url(kind, path.read_bytes())


def _url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"

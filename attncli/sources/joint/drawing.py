"""Draws several sources under the weights of each output token: a figure each, or one page or JSON file of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from attncli.decoding.written import Written
from attncli.drawing.figures import save_figure
from attncli.files.writing import write_text
from attncli.sources.joint.figure import looks_figure
from attncli.sources.joint.looks import Looks, json_text
from attncli.sources.joint.page import page
from attncli.sources.source import Drawer, Look, Tell


@dataclass(frozen=True)
class JointDrawer(Drawer):
    """A figure per output, with a column per token and in it a panel per source."""

    drawers: Mapping[str, Drawer]

    formats = ("png", "svg", "pdf", "html", "json")

    def draw(
        self, found: Sequence[Written], folder: Path, format: str, *, look: Look, forced: bool, tell: Tell
    ) -> Iterator[Path]:
        """Draw `attention-1.png` and so on, or all of `found` into `attention.html` or `attention.json`."""
        looks = (Looks(each, forced) for each in found)
        largest = _largest(found) if look.shared_scale else None
        if format in ("html", "json"):
            path = folder / f"attention.{format}"
            write_text(path, json_text(looks) if format == "json" else page(looks, self.drawers, look, largest=largest))
            yield path
            return
        for number, each in enumerate(looks, start=1):
            path = folder / f"attention-{number:0{len(str(len(found)))}}.{format}"
            save_figure(looks_figure(each, self.drawers, look, largest=largest), path)
            yield path


def _largest(found: Sequence[Written]) -> float:
    """Return the largest weight over any source."""
    return max(float(each.best.weights.max()) for each in found if each.best.weights is not None)

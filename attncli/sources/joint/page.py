"""Where a model looked in several sources, as one self-contained web page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from attncli.drawing.figures import svg_in_base64
from attncli.drawing.labels import readable
from attncli.drawing.pages import rendered
from attncli.sources.joint.figure import looks_figure
from attncli.sources.joint.looks import Looks
from attncli.sources.source import Drawer, Look


def page(looks: Iterable[Looks], drawers: Mapping[str, Drawer], look: Look, *, largest: float | None = None) -> str:
    """Return an HTML page of `looks`, which refers to nothing outside itself: their figures, and weights of words."""
    shown = [_Shown.of(each, drawers, look, largest) for each in looks]
    return rendered("attncli.sources.joint", of=look.caption, shown=shown)


@dataclass(frozen=True)
class _Shown:
    """What the page shows of an output."""

    sources: dict[str, str]
    target: str
    kind: str  # given target, or output
    figure: str  # SVG in base64
    rows: list[tuple[str, str, list[tuple[str, str, str]]]]  # token, source, and of each word: itself, weight, shade

    @classmethod
    def of(cls, looks: Looks, drawers: Mapping[str, Drawer], look: Look, largest: float | None) -> _Shown:
        figure = looks_figure(looks, drawers, look, largest=largest)
        return cls(
            sources=looks.sources,
            target=looks.best.text,
            kind="given target" if looks.forced else "output",
            figure=svg_in_base64(figure),
            rows=list(_rows(looks, largest)),
        )


def _rows(looks: Looks, largest: float | None) -> Iterator[tuple[str, str, list[tuple[str, str, str]]]]:
    for token, label in enumerate(looks.labels):
        for name, part in looks.found.parts.items():
            if part.places.tokens is None or part.best.weights is None:
                continue
            weights = part.best.weights[token]
            most = max(largest or float(weights.max()), 1e-9)
            words = zip(readable(part.places.labels), weights.tolist(), strict=True)
            yield label, name, [(word, f"{weight:.3f}", f"{weight / most:.3f}") for word, weight in words]

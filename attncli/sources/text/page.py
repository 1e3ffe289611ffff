"""Alignments as one self-contained web page; pointing at a cell shows its value."""

from __future__ import annotations

import html
from collections.abc import Sequence

from attncli.drawing.labels import readable
from attncli.errors import escaped
from attncli.sources.text.alignment import Alignment

_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2em; color: #222; background: #fff }
h2 { font-size: 1em; margin: 2.5em 0 .3em } p { margin: .2em 0; color: #555 }
.map { overflow-x: auto } table { border-collapse: collapse; margin-top: .8em }
td { width: 1.4em; min-width: 1.4em; height: 1.4em; padding: 0; border: 1px solid #e2e2e2 }
td.outside { background: #ececec } td.centre { border-bottom: 3px solid #D55E00 }
td.chosen { box-shadow: inset 0 0 0 2px #D55E00 }
td:hover { outline: 2px solid #D55E00 }
tr:hover th { color: #D55E00 }
th { font-weight: normal; padding: 0 .4em; white-space: pre; text-align: right }
thead th { height: 1px; vertical-align: bottom; padding: .4em 0; text-align: left }
thead th span { writing-mode: vertical-rl; transform: rotate(180deg); display: inline-block }
"""


def page(alignments: Sequence[Alignment], *, title: str) -> str:
    """Return an HTML page of `alignments` that refers to nothing outside itself."""
    sections = "\n".join(_section(number, alignment) for number, alignment in enumerate(alignments, start=1))
    return (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>{_text(title)}</title>\n'
        f"<style>{_STYLE}</style></head>\n<body><h1>{_text(title)}</h1>\n{sections}\n</body></html>\n"
    )


def _text(text: str) -> str:
    # A browser obeys an override of the direction of text as a terminal does.
    return html.escape(escaped(text))


def _section(number: int, alignment: Alignment) -> str:
    source, target = (readable(tokens) for tokens in (alignment.source_tokens, alignment.target_tokens))
    head = "".join(f'<th><span dir="auto">{_text(label)}</span></th>' for label in source)
    rows = "\n".join(
        f'<tr><th dir="auto">{_text(label)}</th>{_cells(alignment, at, label, source)}</tr>'
        for at, label in enumerate(target)
    )
    kind = "given target" if alignment.forced else "output"
    return (
        f'<h2>{number}</h2><p>source: <span dir="auto">{_text(alignment.source)}</span></p>\n'
        f'<p>{kind}: <span dir="auto">{_text(alignment.target)}</span></p>\n'
        f'<div class="map"><table><thead><tr><th></th>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>'
    )


def _cells(alignment: Alignment, row: int, label: str, source: Sequence[str]) -> str:
    largest = max(float(alignment.weights.max()), 1e-6)
    return "".join(
        f'<td{_classes(alignment, row, at)} title="{_text(f"{label} → {column}: {weight:.3f}")}"'
        f"{_shade(weight / largest)}></td>"
        for at, (column, weight) in enumerate(zip(source, alignment.weights[row], strict=True))
    )


def _shade(share: float) -> str:
    return f' style="background:rgba(8,48,107,{share:.3f})"' if share else ""


def _classes(alignment: Alignment, row: int, column: int) -> str:
    """Return the class attribute of a cell: outside the window, its centre, the position read."""
    classes = []
    if windows := alignment.windows():
        centre, first, last = windows[row]
        if not first <= column <= last:
            classes.append("outside")
        elif column == round(centre):
            classes.append("centre")
    if column in alignment.chosen()[row : row + 1]:
        classes.append("chosen")
    return f' class="{" ".join(classes)}"' if classes else ""

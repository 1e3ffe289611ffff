"""Alignments as one self-contained web page, whose cells tell their value under the pointer."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from attncli.visualization.alignment import Alignment
from attncli.visualization.labels import readable

_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2em; color: #222; background: #fff }
h2 { font-size: 1em; margin: 2.5em 0 .3em } p { margin: .2em 0; color: #555 }
.map { overflow-x: auto } table { border-collapse: collapse; margin-top: .8em }
td { width: 1.4em; min-width: 1.4em; height: 1.4em; padding: 0; border: 1px solid #e2e2e2 }
td:hover { outline: 2px solid #D55E00 }
tr:hover th { color: #D55E00 }
th { font-weight: normal; padding: 0 .4em; white-space: pre; text-align: right }
thead th { height: 1px; vertical-align: bottom; padding: .4em 0; text-align: left }
thead th span { writing-mode: vertical-rl; transform: rotate(180deg); display: inline-block }
"""


def page(alignments: Sequence[Alignment], *, title: str) -> str:
    """Return an HTML page of `alignments` with no reference to anything outside it."""
    sections = "\n".join(_section(number, alignment) for number, alignment in enumerate(alignments, start=1))
    return (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        f"<style>{_STYLE}</style></head>\n<body><h1>{html.escape(title)}</h1>\n{sections}\n</body></html>\n"
    )


def _section(number: int, alignment: Alignment) -> str:
    source, target = (readable(tokens) for tokens in (alignment.source_tokens, alignment.target_tokens))
    head = "".join(f'<th><span dir="auto">{html.escape(label)}</span></th>' for label in source)
    largest = max(float(alignment.weights.max()), 1e-6)
    rows = "\n".join(
        f'<tr><th dir="auto">{html.escape(label)}</th>{_cells(label, source, row, largest)}</tr>'
        for label, row in zip(target, alignment.weights, strict=True)
    )
    kind = "given target" if alignment.forced else "output"
    return (
        f'<h2>{number}</h2><p>source: <span dir="auto">{html.escape(alignment.source)}</span></p>\n'
        f'<p>{kind}: <span dir="auto">{html.escape(alignment.target)}</span></p>\n'
        f'<div class="map"><table><thead><tr><th></th>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>'
    )


def _cells(label: str, source: Sequence[str], row: np.ndarray, largest: float) -> str:
    return "".join(
        f'<td title="{html.escape(f"{label} → {column}: {weight:.3f}")}" '
        f'style="background:rgba(8,48,107,{weight / largest:.3f})"></td>'
        for column, weight in zip(source, row, strict=True)
    )

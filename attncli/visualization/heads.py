"""Draws where every head looks: within a sentence, and from the target to the source.

L layers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from attncli.decoding.written import Inspection
from attncli.drawing.figures import save_figure
from attncli.drawing.fonts import fonts_for
from attncli.drawing.labels import readable
from attncli.errors import CommandError, escaped_json
from attncli.files.writing import write_text, writing_into
from attncli.sources.source import Look, Tell
from attncli.sources.text.heat_map import HeadMaps, check_size, head_maps_figure


@dataclass(frozen=True)
class HeadDrawing:
    """What one drawing shows of a sentence."""

    kind: str  # also its file's name: encoder-self-attention, decoder-self-attention, heads
    number: int  # of the sentence, from 1
    layer: int  # from 1
    source: Any  # a sentence, the path of a file, or several by their names
    target: str
    maps: HeadMaps

    def as_json(self) -> dict[str, Any]:
        """Return the drawing as JSON values, with one row of weights per querying token."""
        return {
            "kind": self.kind,
            "source": self.source,
            "target": self.target,
            "layer": self.layer,
            "rows": list(self.maps.rows),
            "columns": list(self.maps.columns),
            "heads": {
                name: weights.astype(float).round(8).tolist()
                for name, weights in zip(self.maps.names, self.maps.weights, strict=True)
            },
        }


def self_attention_drawings(
    number: int, found: Inspection, layer: int | None, *, directions: bool
) -> Iterator[HeadDrawing]:
    """Yield the self-attention of a sentence and of its translation, where there is any.

    `layer` counts from 1; None is the top one. With `directions`, the encoder's heads are its two directions.
    """
    read = found.read_tokens
    if found.encoder is not None:
        tokens = _positions(found)
        at, weights = _layer(found.encoder, layer, "encoder")
        names = ("forwards", "backwards") if directions and len(weights) == 2 else _names(weights)
        maps = HeadMaps("source", "source, looked at", tokens, tokens, _placed(at, names), weights)
        yield HeadDrawing("encoder-self-attention", number, at, found.cell, found.target, maps)
    if found.decoder is not None:
        at, weights = _layer(found.decoder, layer, "decoder")
        maps = HeadMaps(
            "output", "read before, looked at", found.target_tokens, read, _placed(at, _names(weights)), weights
        )
        yield HeadDrawing("decoder-self-attention", number, at, found.cell, found.target, maps)


def cross_attention_drawings(number: int, found: Inspection, layer: int | None) -> Iterator[HeadDrawing]:
    """Yield where each head of the decoder looks in the source; `layer` as for self-attention."""
    if found.cross is not None:
        at, weights = _layer(found.cross, layer, "decoder")
        maps = HeadMaps(
            "output", "source", found.target_tokens, _positions(found), _placed(at, _names(weights)), weights
        )
        yield HeadDrawing("heads", number, at, found.cell, found.target, maps)


def _positions(found: Inspection) -> tuple[str, ...]:
    """Return labels of the source's positions: its tokens, or row and column of each region."""
    if found.places.tokens is not None:
        return found.places.labels
    assert found.places.grid is not None, "positions are tokens or cells of a grid"
    return tuple(",".join(str(at + 1) for at in cell) for cell in np.ndindex(found.places.grid))


def _layer(weights: np.ndarray, layer: int | None, part: str) -> tuple[int, np.ndarray]:
    """Return the number of the layer, from 1, and its weights [heads, rows, columns]."""
    if layer is not None and layer > len(weights):
        raise CommandError(f"--layer: {layer}, but the {part} has layers 1 to {len(weights)}")
    at = layer or len(weights)
    return at, weights[at - 1]


def _names(weights: np.ndarray) -> tuple[str, ...]:
    heads = len(weights)
    return ("",) if heads == 1 else tuple(f"head {number}" for number in range(1, heads + 1))


def _placed(layer: int, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"layer {layer}, {name}" if name else f"layer {layer}" for name in names)


def draw_heads(drawings: Sequence[HeadDrawing], folder: Path, suffix: str, *, look: Look, warn: Tell) -> list[Path]:
    """Write a file per drawing, such as `heads-1.png`, into `folder` and return the paths; `suffix` is png, svg or pdf.

    `warn` receives a warning about characters that no installed font has; in SVG the viewer chooses the fonts.
    """
    for found in drawings:
        check_size(len(found.maps.columns), len(found.maps.rows), where=f"sentence {found.number}")
    fonts = fonts_for(
        label for found in drawings for tokens in (found.maps.rows, found.maps.columns) for label in readable(tokens)
    )
    if fonts.warning and suffix != "svg":
        warn(fonts.warning)
    largest = max(float(found.maps.weights.max()) for found in drawings) if look.shared_scale else None
    digits = len(str(max(found.number for found in drawings)))
    paths = [folder / f"{found.kind}-{found.number:0{digits}}.{suffix}" for found in drawings]
    with writing_into(folder):
        for path, found in zip(paths, drawings, strict=True):
            save_figure(head_maps_figure(found.maps, fonts, caption=look.caption, largest=largest), path)
    return paths


def write_heads(drawings: Sequence[HeadDrawing], folder: Path) -> Path:
    """Write all of `drawings` into `folder` as `heads.json` and return the path."""
    path = folder / "heads.json"
    text = ",\n".join(json.dumps(found.as_json(), ensure_ascii=False) for found in drawings)
    with writing_into(folder):
        write_text(path, escaped_json(f"[\n{text}\n]\n"))
    return path

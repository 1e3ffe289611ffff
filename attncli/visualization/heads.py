"""Pictures of where every head looks: in a sentence at itself, and across from the target to the source.

L layers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from attncli.decoding.translator import Inspection
from attncli.drawing.figures import save_figure
from attncli.drawing.fonts import fonts_for
from attncli.drawing.labels import readable
from attncli.errors import CommandError
from attncli.files import writing_into
from attncli.sources.text.heat_map import HeadMaps, head_maps_figure


@dataclass(frozen=True)
class HeadPicture:
    """What one picture shows of a sentence."""

    kind: str  # also its file's name: encoder-self-attention, decoder-self-attention, heads
    number: int  # of the sentence, from 1
    layer: int  # from 1
    source: str
    target: str
    maps: HeadMaps

    def as_json(self) -> dict[str, Any]:
        """Return the picture as JSON values, one row of weights a token that looks."""
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


def self_attention_pictures(
    number: int, found: Inspection, layer: int | None, *, directions: bool
) -> Iterator[HeadPicture]:
    """Yield the self-attention of a sentence and of its translation, as far as there is any.

    `layer` counts from 1, and None is the top one. The encoder has `directions` in place of heads, or not.
    """
    tokens, read = found.source_tokens, found.read_tokens
    if found.encoder is not None:
        at, weights = _layer(found.encoder, layer, "encoder")
        names = ("forwards", "backwards") if directions and len(weights) == 2 else _names(weights)
        maps = HeadMaps("source", "source, looked at", tokens, tokens, _placed(at, names), weights)
        yield HeadPicture("encoder-self-attention", number, at, found.source, found.target, maps)
    if found.decoder is not None:
        at, weights = _layer(found.decoder, layer, "decoder")
        maps = HeadMaps(
            "output", "read before, looked at", found.target_tokens, read, _placed(at, _names(weights)), weights
        )
        yield HeadPicture("decoder-self-attention", number, at, found.source, found.target, maps)


def cross_attention_pictures(number: int, found: Inspection, layer: int | None) -> Iterator[HeadPicture]:
    """Yield where each head of the decoder looks in the source; `layer` as for self-attention."""
    if found.cross is not None:
        at, weights = _layer(found.cross, layer, "decoder")
        maps = HeadMaps(
            "output", "source", found.target_tokens, found.source_tokens, _placed(at, _names(weights)), weights
        )
        yield HeadPicture("heads", number, at, found.source, found.target, maps)


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


def draw_heads(
    pictures: Sequence[HeadPicture], folder: Path, suffix: str, *, warn: Callable[[str], None]
) -> list[Path]:
    """Write a file a picture, such as `heads-1.png`, into `folder` and return the paths; `suffix` is png or svg.

    `warn` is told of characters that no installed font has; in SVG the viewer chooses fonts, so it is not called.
    """
    fonts = fonts_for(
        label for found in pictures for tokens in (found.maps.rows, found.maps.columns) for label in readable(tokens)
    )
    if fonts.warning and suffix == "png":
        warn(fonts.warning)
    digits = len(str(max(found.number for found in pictures)))
    paths = [folder / f"{found.kind}-{found.number:0{digits}}.{suffix}" for found in pictures]
    with writing_into(folder):
        for path, found in zip(paths, pictures, strict=True):
            save_figure(head_maps_figure(found.maps, fonts), path)
    return paths


def write_heads(pictures: Sequence[HeadPicture], folder: Path) -> Path:
    """Write all of `pictures` into `folder` as `heads.json` and return the path."""
    path = folder / "heads.json"
    text = ",\n".join(json.dumps(found.as_json(), ensure_ascii=False) for found in pictures)
    with writing_into(folder):
        path.write_text(f"[\n{text}\n]\n", encoding="utf-8")
    return path

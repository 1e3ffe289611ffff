"""Heads side by side: what is drawn, written and refused."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from figures import overlapping_texts
from matplotlib.figure import Figure
from PIL import Image

from attncli.data.columns import Places
from attncli.decoding.written import Inspection
from attncli.drawing.fonts import fonts_for
from attncli.errors import CommandError
from attncli.sources.source import Look
from attncli.sources.text.heat_map import head_maps_figure
from attncli.visualization.heads import (
    cross_attention_drawings,
    draw_heads,
    self_attention_drawings,
    write_heads,
)

# Three layers; 5 heads in the encoder and 2 in the decoder; S=4, T=3.
SOURCE, TARGET, READ = ("▁ein", "▁Snow", "board", "</s>"), ("▁a", "▁board", "</s>"), ("<s>", "▁a", "▁board")


def weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).dirichlet(np.ones(shape[-1]), size=shape[:-1]).astype(np.float32)


LOOK = Look("run-1, step 20")
CROSS = weights(3, 2, 3, 4)
FOUND = Inspection(
    "ein Snowboard",
    "a board",
    Places(SOURCE),
    TARGET,
    READ,
    encoder=weights(3, 5, 4, 4),
    decoder=weights(3, 2, 3, 3),
    cross=CROSS,
)


def test_both_sides_look_at_themselves_and_the_target_across() -> None:
    encoder, decoder = self_attention_drawings(1, FOUND, None, directions=False)
    assert FOUND.encoder is not None
    assert FOUND.decoder is not None
    assert (encoder.kind, encoder.layer, encoder.maps.rows, encoder.maps.columns) == (
        *("encoder-self-attention", 3),
        *(SOURCE, SOURCE),
    )
    assert (decoder.kind, decoder.maps.rows, decoder.maps.columns) == ("decoder-self-attention", TARGET, READ)
    assert encoder.maps.names == tuple(f"layer 3, head {head}" for head in (1, 2, 3, 4, 5))
    assert (encoder.maps.weights == FOUND.encoder[2]).all()
    [across] = cross_attention_drawings(1, FOUND, 1)
    assert (across.kind, across.layer, across.maps.rows, across.maps.columns) == ("heads", 1, TARGET, SOURCE)
    assert (across.maps.weights == CROSS[0]).all()


def test_directions_are_called_so() -> None:
    both = replace(FOUND, encoder=weights(1, 2, 4, 4), decoder=None)
    [picture] = self_attention_drawings(1, both, None, directions=True)
    assert picture.maps.names == ("layer 1, forwards", "layer 1, backwards")


def test_what_looks_nowhere_has_no_picture() -> None:
    nothing = replace(FOUND, encoder=None, decoder=None, cross=None)
    assert [
        *self_attention_drawings(1, nothing, None, directions=False),
        *cross_attention_drawings(1, nothing, 1),
    ] == []


def test_a_layer_that_is_not_there_is_named() -> None:
    with pytest.raises(CommandError, match="--layer: 4, but the encoder has layers 1 to 3"):
        list(self_attention_drawings(1, FOUND, 4, directions=False))
    with pytest.raises(CommandError, match="--layer: 4, but the decoder has layers 1 to 3"):
        list(cross_attention_drawings(1, FOUND, 4))


def test_every_head_is_a_panel_with_labels_where_they_are_needed() -> None:
    picture = next(self_attention_drawings(1, FOUND, 2, directions=False))
    figure = head_maps_figure(picture.maps, fonts_for(["a"]))
    *panels, scale = figure.axes
    assert [axes.get_xlabel() for axes in panels] == list(picture.maps.names)
    for axes, head in zip(panels, picture.maps.weights, strict=True):
        shown = axes.collections[0].get_array()
        assert shown is not None
        assert shown.tolist() == head.tolist()
        assert axes.collections[0].get_clim() == pytest.approx((0.0, float(picture.maps.weights.max())))
        assert [label.get_text() for label in axes.get_xticklabels()] == ["ein", "Snow", "·board", "</s>"]
    assert [axes.get_ylabel() for axes in panels] == ["source", "", "", "", "source"]
    assert scale.get_ylabel() == "attention weight"
    # Four side by side, the fifth below, and none over another.
    figure.canvas.draw()
    boxes = [box for axes in panels if (box := axes.get_tightbbox()) is not None]
    assert len(boxes) == 5
    assert len({round(box.y0) for box in boxes[:4]}) == 1
    assert boxes[4].y1 <= boxes[0].y0
    assert all(left.x1 <= right.x0 for left, right in pairwise(boxes[:4]))


@pytest.mark.parametrize("tokens", [1, 30])
@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_short_and_long_sentences_can_be_drawn(tmp_path: Path, tokens: int, suffix: str) -> None:
    words = tuple(f"▁Wort{number}" for number in range(tokens))
    long = replace(FOUND, places=Places(words), encoder=weights(1, 2, tokens, tokens), decoder=None)
    pictures = list(self_attention_drawings(7, long, None, directions=False))
    [path] = draw_heads(pictures, tmp_path, suffix, look=LOOK, warn=print)
    assert path.name == f"encoder-self-attention-7.{suffix}"
    if suffix == "png":
        with Image.open(path) as picture:
            assert min(picture.size) > 20


def test_drawings_of_a_call_may_share_their_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr("attncli.visualization.heads.save_figure", lambda figure, path: drawn.append(figure))
    sharp = replace(FOUND, encoder=np.eye(4)[None, None].repeat(2, 1), decoder=None, cross=None)
    drawings = [*self_attention_drawings(1, FOUND, None, directions=False)]
    drawings += self_attention_drawings(2, sharp, None, directions=False)
    for look, tops in (
        (LOOK, [float(each.maps.weights.max()) for each in drawings]),
        (replace(LOOK, shared_scale=True), [1.0, 1.0, 1.0]),
    ):
        drawn.clear()
        draw_heads(drawings, tmp_path, "png", look=look, warn=print)
        assert [figure.axes[0].collections[0].get_clim() for figure in drawn] == [(0, top) for top in tops]
        assert all(figure.texts[-1].get_text() == "run-1, step 20" for figure in drawn)


@pytest.mark.parametrize(("heads", "tokens"), [(1, 20), (2, 5), (5, 4)])
def test_no_text_covers_another(heads: int, tokens: int) -> None:
    words = tuple(f"▁Nahrungsmittel{number}" for number in range(tokens))
    wide = replace(FOUND, places=Places(words), encoder=weights(1, heads, tokens, tokens), decoder=None)
    [found] = self_attention_drawings(1, wide, None, directions=False)
    figure = head_maps_figure(found.maps, fonts_for(words), caption="multi30k-hard_straight_through, step 12,000")
    assert not overlapping_texts(figure)


def test_missing_glyphs_are_reported_once(tmp_path: Path) -> None:
    strange = replace(FOUND, places=Places(("\U000f0000", *SOURCE[1:])))
    said: list[str] = []
    drawings = list(self_attention_drawings(1, strange, None, directions=False))
    draw_heads(drawings, tmp_path, "png", look=LOOK, warn=said.append)
    assert len(said) == 1
    assert "U+F0000" in said[0]


def test_json_gives_every_head_by_its_name(tmp_path: Path) -> None:
    pictures = [*self_attention_drawings(1, FOUND, None, directions=False), *cross_attention_drawings(1, FOUND, None)]
    encoder, decoder, across = json.loads(write_heads(pictures, tmp_path).read_text(encoding="utf-8"))
    assert [found["kind"] for found in (encoder, decoder, across)] == [picture.kind for picture in pictures]
    assert (across["source"], across["target"], across["layer"]) == ("ein Snowboard", "a board", 3)
    assert (across["rows"], across["columns"]) == (list(TARGET), list(SOURCE))
    np.testing.assert_allclose(across["heads"]["layer 3, head 2"], CROSS[2, 1], atol=1e-7)
    assert list(decoder["heads"]) == ["layer 3, head 1", "layer 3, head 2"]


def test_regions_of_an_image_are_called_by_row_and_column() -> None:
    found = replace(FOUND, places=Places(grid=(2, 2)))
    [across] = cross_attention_drawings(1, found, None)
    assert across.maps.columns == ("1,1", "1,2", "2,1", "2,2")

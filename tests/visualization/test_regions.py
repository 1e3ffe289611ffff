"""Where a captioner looked, drawn over the picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from attncli.config.pictures import Preprocessing
from attncli.data.placement import place
from attncli.visualization.fonts import fonts_for
from attncli.visualization.regions import LookedAt, json_text, regions_figure

TOKENS = ("a", "dog", "</s>")


def looked_at(size: tuple[int, int], preprocessing: Preprocessing) -> LookedAt:
    weights = np.zeros((3, 4, 4))
    weights[0] = 1 / 16
    weights[1, 1, 2] = weights[2, 3, 0] = 1
    picture = Image.new("RGB", size, "white")
    return LookedAt(Path("a.png"), picture, place(size, preprocessing), "a dog", TOKENS, weights, -1.5)


def tiles(found: LookedAt) -> list[np.ndarray]:
    figure = regions_figure(found, fonts_for(TOKENS))
    assert [axes.get_title() for axes in figure.axes] == ["", *TOKENS]
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes]


def test_there_is_a_picture_a_word_bright_where_its_weight_is() -> None:
    plain, even, dog, end = tiles(looked_at((64, 64), Preprocessing(size=16)))
    assert (plain == 1).all()
    assert np.allclose(even, 1)
    height, width = dog.shape[:2]
    assert dog[int(height * 1.5 / 4), int(width * 2.5 / 4)].min() > 0.95
    assert np.allclose(dog[0, 0], 0.25, atol=0.02)
    assert end[int(height * 3.5 / 4), int(width * 0.5 / 4)].min() > 0.95


def test_what_was_not_seen_is_black() -> None:
    _, even, *_ = tiles(looked_at((96, 48), Preprocessing(size=16)))
    width = even.shape[1]
    assert (even[:, : int(0.24 * width)] == 0).all()
    assert (even[:, int(0.76 * width) :] == 0).all()
    assert np.allclose(even[:, int(0.3 * width) : int(0.7 * width)], 1)


def test_json_has_a_row_of_regions_a_word() -> None:
    (found,) = json.loads(json_text([looked_at((64, 64), Preprocessing(size=16))]))
    assert found["grid"] == [4, 4]
    assert found["target_tokens"] == list(TOKENS)
    assert found["weights"][1].index(1.0) == 1 * 4 + 2
    assert found["caption"] == "a dog"

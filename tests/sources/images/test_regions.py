"""Where a captioner looked, drawn over the image."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle
from PIL import Image

from attncli.config.sources.images import Preprocessing
from attncli.drawing.fonts import fonts_for
from attncli.models.attention import Marks
from attncli.sources.images.placement import place
from attncli.sources.images.regions import LookedAt, json_text, reduced, regions_figure

TOKENS = ("a", "dog", "runs", "</s>")


def looked_at(size: tuple[int, int], preprocessing: Preprocessing) -> LookedAt:
    weights = np.zeros((4, 4, 4))
    weights[0] = weights[3] = 1 / 16
    weights[1, 1, 2] = weights[2, 3, 0] = 1
    image = Image.new("RGB", size, "white")
    return LookedAt(Path("a.png"), image, place(size, preprocessing), "a dog runs", TOKENS, weights, -1.5)


def tiles(found: LookedAt) -> list[np.ndarray]:
    figure = regions_figure(found, fonts_for(TOKENS))
    assert [axes.get_title() for axes in figure.axes] == ["", "a", "dog", "runs"]
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes]


def test_there_is_an_image_a_word_bright_where_its_weight_is() -> None:
    plain, even, dog, runs = tiles(looked_at((64, 64), Preprocessing(size=16)))
    assert (plain == 1).all()
    assert np.allclose(even, 1)
    height, width = dog.shape[:2]
    assert dog[int(height * 1.5 / 4), int(width * 2.5 / 4)].min() > 0.95
    assert np.allclose(dog[0, 0], 0.25, atol=0.02)
    assert runs[int(height * 3.5 / 4), int(width * 0.5 / 4)].min() > 0.95


def test_a_caption_that_was_cut_off_has_an_image_of_its_last_word() -> None:
    whole = looked_at((64, 64), Preprocessing(size=16))
    cut = replace(whole, tokens=TOKENS[:2], weights=whole.weights[:2])
    assert [axes.get_title() for axes in regions_figure(cut, fonts_for(TOKENS)).axes] == ["", "a", "dog"]


def test_words_are_no_formulas() -> None:
    priced = replace(looked_at((64, 64), Preprocessing(size=16)), tokens=("$2", "or", "$3", "</s>"))
    assert not any(axes.title.get_parse_math() for axes in regions_figure(priced, fonts_for(TOKENS)).axes)


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
    assert found["caption"] == "a dog runs"


def test_what_was_chosen_is_framed_and_a_centre_marked() -> None:
    # 96 × 48 shows its middle square alone, so a cell is 12 × 12 pixels, and the tile is 320 × 160.
    marks = Marks(1, torch.tensor([[0.0, 0.0], [1.0, 2.5], [3.0, 3.0], [1.0, 1.0]]), torch.tensor([0, 6, 12, 3]))
    found = replace(looked_at((96, 48), Preprocessing(size=16)), marks=marks)
    axes = regions_figure(found, fonts_for(TOKENS)).axes[2]
    (frame,) = axes.patches
    assert isinstance(frame, Rectangle)
    factor = 320 / 96
    close = [(24 + 2 * 12) * factor - 0.5, 12 * factor - 0.5, 12 * factor, 12 * factor]
    assert np.allclose([*frame.get_xy(), frame.get_width(), frame.get_height()], close)
    (cross,) = axes.lines
    assert np.allclose(cross.get_xydata(), [[(24 + 3 * 12) * factor - 0.5, 18 * factor - 0.5]])
    assert found.as_json()["chosen"] == [0, 6, 12, 3]
    assert found.as_json()["centres"][1] == [1.0, 2.5]
    beyond = replace(found, marks=replace(marks, centres=torch.full((4, 2), 3.75)))
    assert beyond.centre(0) == found.centre(2), "a place past the last row or column is marked there"


@pytest.mark.parametrize("size", [(10, 2000), (2000, 10), (1, 10_000), (30, 40), (500, 30)])
def test_a_figure_is_bounded_whatever_the_shape_of_the_image(size: tuple[int, int]) -> None:
    found = looked_at(size, Preprocessing(size=16, fit="pad"))
    figure = regions_figure(found, fonts_for(TOKENS))
    assert figure.get_figwidth() == pytest.approx(4 * 1.6 * 1.08)
    assert figure.get_figheight() <= 2 * 1.6 + 0.42
    for axes in figure.axes:
        box = axes.get_window_extent()
        small = reduced(found.image)
        assert box.height / box.width == pytest.approx(small.height / small.width, rel=0.1)
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1


def test_a_large_image_takes_no_memory_for_every_word() -> None:
    found = looked_at((6000, 4000), Preprocessing(size=16))
    found.image.load()
    tracemalloc.start()
    regions_figure(found, fonts_for(TOKENS))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 24_000_000  # as many bytes as the image has pixels

"""Where a captioner looked, drawn over the image."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from figures import overlapping_texts, placed_texts
from matplotlib import colormaps
from matplotlib.patches import Rectangle
from PIL import Image

from attncli.config.sources.images import Preprocessing
from attncli.drawing.fonts import fonts_for
from attncli.models.attention import Marks
from attncli.sources.images.placement import place
from attncli.sources.images.regions import LookedAt, is_all_but_even, json_text, reduced, regions_figure, shaded
from attncli.sources.source import Look

TOKENS = ("a", "dog", "runs", "</s>")
BRIGHTNESS = Look("run-1, step 20", colormap="brightness")
COLOURED = Look("run-1, step 20")


def looked_at(size: tuple[int, int], preprocessing: Preprocessing) -> LookedAt:
    weights = np.zeros((4, 4, 4))
    weights[0] = weights[3] = 1 / 16
    weights[1, 1, 2] = weights[2, 3, 0] = 1
    image = Image.new("RGB", size, "white")
    return LookedAt(Path("a.png"), image, place(size, preprocessing), "a dog runs", TOKENS, weights, -1.5)


def tiles(found: LookedAt, look: Look = BRIGHTNESS, *, largest: float | None = None) -> list[np.ndarray]:
    """Return the pixels of the image, of one for each word, and of the scale."""
    figure = regions_figure(found, fonts_for(TOKENS), look, largest=largest)
    assert [axes.get_title() for axes in figure.axes] == ["", "a", "dog", "runs", ""]
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes]


def test_there_is_an_image_a_word_bright_where_its_weight_is() -> None:
    plain, even, dog, runs, _ = tiles(looked_at((64, 64), Preprocessing(size=16)))
    assert (plain == 1).all()
    assert np.allclose(even, 1)
    height, width = dog.shape[:2]
    assert dog[int(height * 1.5 / 4), int(width * 2.5 / 4)].min() > 0.95
    assert np.allclose(dog[0, 0], 0.25, atol=0.02)
    assert runs[int(height * 3.5 / 4), int(width * 0.5 / 4)].min() > 0.95


def test_a_caption_that_was_cut_off_has_an_image_of_its_last_word() -> None:
    whole = looked_at((64, 64), Preprocessing(size=16))
    cut = replace(whole, tokens=TOKENS[:2], weights=whole.weights[:2])
    assert [axes.get_title() for axes in regions_figure(cut, fonts_for(TOKENS), COLOURED).axes] == ["", "a", "dog", ""]


def test_words_are_no_formulas() -> None:
    priced = replace(looked_at((64, 64), Preprocessing(size=16)), tokens=("$2", "or", "$3", "</s>"))
    figure = regions_figure(replace(priced, caption="$2 or $3"), fonts_for(TOKENS), COLOURED)
    assert not any(axes.title.get_parse_math() for axes in figure.axes[1:-1])
    assert not any(text.get_parse_math() for text in figure.texts)


def test_what_was_not_seen_is_black() -> None:
    _, even, *_ = tiles(looked_at((96, 48), Preprocessing(size=16)))
    width = even.shape[1]
    assert (even[:, : int(0.24 * width)] == 0).all()
    assert (even[:, int(0.76 * width) :] == 0).all()
    assert np.allclose(even[:, int(0.3 * width) : int(0.7 * width)], 1)


def test_what_was_not_seen_is_white_where_weights_have_colours() -> None:
    _, even, *_ = tiles(looked_at((96, 48), Preprocessing(size=16)), COLOURED)
    width = even.shape[1]
    assert (even[:, : int(0.24 * width)] == 1).all()
    assert even[:, int(0.3 * width) : int(0.7 * width)].min() < 0.9


@pytest.mark.parametrize("colormap", ["plasma", "viridis"])
@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_colours_show_weights_on_black_images_and_white_ones(colormap: str, grey: float) -> None:
    shares = np.array([[0.0, 0.5, 1.0]])
    none, half, all_ = shaded(np.full((1, 3, 3), grey), shares, colormap)[0]
    assert np.ptp(none) < 1e-9, "no colour without weight"
    assert np.abs(half - none).max() > 0.09
    assert np.abs(all_ - half).max() > 0.09
    assert np.abs(all_ - none).max() > 0.3


def test_a_colour_covers_a_grey_copy_as_its_share_says() -> None:
    pixels = np.array([[[1.0, 0.0, 0.0]]])
    grey, colour = 0.15 + 0.7 * 0.299, np.array(colormaps["viridis"](0.4)[:3])
    expected = grey * (1 - 0.85 * 0.4) + colour * 0.85 * 0.4
    assert np.allclose(shaded(pixels, np.array([[0.4]]), "viridis")[0, 0], expected)


def test_with_one_scale_a_word_that_looks_everywhere_stays_dark() -> None:
    _, even, dog, _, _ = tiles(looked_at((64, 64), Preprocessing(size=16)), largest=1.0)
    assert np.allclose(even, 0.25 + 0.75 / 16)
    assert dog.max() > 0.95
    figure = regions_figure(looked_at((64, 64), Preprocessing(size=16)), fonts_for(TOKENS), COLOURED, largest=0.5)
    assert [label.get_text() for label in figure.axes[-1].get_xticklabels()] == ["weight 0", "0.50"]


@pytest.mark.parametrize(("looks_at", "even"), [(16, True), (15, True), (14, False), (1, False)])
def test_weights_are_all_but_even_over_nine_tenths_of_the_regions(looks_at: int, even: bool) -> None:
    # As many regions with the same weight have the entropy log(looks_at); 0.9 of 16 is 14.4.
    weights = np.zeros(16)
    weights[:looks_at] = 1 / looks_at
    assert is_all_but_even(weights.reshape(4, 4)) == even


def test_the_caption_is_on_top_and_below_each_word_how_sharply_it_looks() -> None:
    figure = regions_figure(looked_at((64, 64), Preprocessing(size=16)), fonts_for(TOKENS), COLOURED)
    assert [text.get_text() for text in figure.texts] == [
        "a dog runs",
        "all but even",
        "up to 1.0",
        "up to 1.0",
        "run-1, step 20",
    ]
    assert [label.get_text() for label in figure.axes[-1].get_xticklabels()] == ["weight 0", "largest of a word"]


@pytest.mark.parametrize("size", [(64, 64), (30, 90), (10, 200), (200, 20)])
@pytest.mark.parametrize("words", [1, 5, 13])
def test_no_text_covers_another_or_an_image(size: tuple[int, int], words: int) -> None:
    tokens = (*(("a", "snowboarder", ".", "photographer", "in") * 3)[:words], "</s>")
    whole = looked_at(size, Preprocessing(size=16, fit="pad"))
    found = replace(whole, tokens=tokens, caption=" ".join(tokens[:-1]), weights=np.full((words + 1, 4, 4), 1 / 16))
    figure = regions_figure(found, fonts_for(tokens), Look("multi30k-hard_straight_through-seed-3, step 12,000"))
    assert not overlapping_texts(figure)
    images = [axes.get_window_extent() for axes in figure.axes]
    assert not any(box.overlaps(image) for _, box in placed_texts(figure) for image in images)


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
    axes = regions_figure(found, fonts_for(TOKENS), COLOURED).axes[2]
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
    figure = regions_figure(found, fonts_for(TOKENS), COLOURED)
    assert figure.get_figwidth() == pytest.approx(4 * 1.7)
    assert figure.get_figheight() <= 2 * 1.5 + 1.2
    for axes in figure.axes[:-1]:
        box = axes.get_window_extent()
        small = reduced(found.image)
        assert box.height / box.width == pytest.approx(small.height / small.width, rel=0.1)
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1


def test_a_large_image_takes_no_memory_for_every_word() -> None:
    found = looked_at((6000, 4000), Preprocessing(size=16))
    found.image.load()
    tracemalloc.start()
    regions_figure(found, fonts_for(TOKENS), COLOURED)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 24_000_000  # as many bytes as the image has pixels

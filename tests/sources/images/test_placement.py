"""What an encoder sees of an image, and where the weights of its map lie on the image."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from attncli.config.sources.images import Augmentation, Preprocessing
from attncli.sources.images.placement import GREY, Placement, place, place_at_random

SHAPES = [(40, 40), (90, 30), (25, 70), (33, 47)]
FITS = [
    Preprocessing(size=16),
    Preprocessing(size=16, resize=20),
    Preprocessing(size=16, fit="pad"),
    Preprocessing(size=16, fit="stretch"),
]
EVERY_FIT = pytest.mark.parametrize("preprocessing", FITS, ids=["crop", "resize", "pad", "stretch"])
EVERY_SHAPE = pytest.mark.parametrize("shape", SHAPES, ids=str)


def ramps(width: int, height: int) -> Image.Image:
    """Return an image whose red says how far right a pixel is, and its green how far down, in units of 2."""
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.stack([across * 2, down * 2, np.zeros_like(down)], -1).astype(np.uint8))


def test_a_crop_is_the_middle_square() -> None:
    placement = place((90, 30), Preprocessing(size=16))
    assert (placement.seen.left, placement.seen.right) == (30, 60)
    assert (placement.seen.top, placement.seen.bottom) == (0, 30)
    tall = place((25, 70), Preprocessing(size=16, resize=20)).seen
    assert (tall.left, tall.right, tall.top, tall.bottom) == (2.5, 22.5, 25, 45)


@EVERY_SHAPE
def test_a_crop_is_what_resizing_and_then_cutting_gives(shape: tuple[int, int]) -> None:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (*shape[::-1], 3), np.uint8))
    shorter, size = min(shape), 16
    sides = [round(side * 20 / shorter) for side in shape]
    resized = np.asarray(image.resize(sides, Image.Resampling.BICUBIC)).astype(int)
    top, left = (sides[1] - size) // 2, (sides[0] - size) // 2
    expected = resized[top : top + size, left : left + size]
    found = place(shape, FITS[1]).apply(image).astype(int)
    # They differ where the resized side, or the margin, is no whole number of pixels.
    exact = all(side * 20 % shorter == 0 and (side * 20 // shorter - size) % 2 == 0 for side in shape)
    if exact:
        assert np.abs(found - expected).max() <= 1
    else:
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.7


def test_padding_adds_grey_bars_on_both_sides() -> None:
    square = place((40, 20), Preprocessing(size=16, fit="pad")).apply(Image.new("RGB", (40, 20), "white"))
    assert (square[[0, 1, 2, 3, 12, 13, 14, 15]] == GREY).all()
    assert (square[4:12] == 255).all()


def test_a_thin_image_is_not_enlarged_as_a_whole() -> None:
    thin = Image.new("RGB", (1, 30_000), "white")
    for preprocessing in FITS:
        assert place(thin.size, preprocessing).apply(thin).shape == (16, 16, 3)


@EVERY_FIT
@EVERY_SHAPE
@pytest.mark.parametrize("flipped", [False, True])
def test_a_cell_lies_where_its_pixels_come_from(
    preprocessing: Preprocessing, shape: tuple[int, int], flipped: bool
) -> None:
    plain = place(shape, preprocessing)
    placement = Placement(plain.seen, plain.target, plain.size, flipped)
    square = placement.apply(ramps(*shape)).astype(float)
    # A grid of the square's own size: each cell is a pixel, whose colour says which part of the image it shows.
    for row, column in [(5, 5), (8, 8), (9, 6), (7, 11)]:
        cell = placement.cell(row, column, (16, 16))
        if cell.width == 0 or cell.height == 0:
            assert (square[row, column] == GREY).all()
            continue
        red, green, _ = square[row, column] / 2
        margin = 1 + 0.2 * max(cell.width, cell.height)
        edge = min(5 * cell.width, 8), min(5 * cell.height, 8)  # there the filter leans inwards
        if edge[0] < cell.left and cell.right < shape[0] - edge[0]:
            assert (cell.left + cell.right) / 2 - 0.5 == pytest.approx(red, abs=margin)
        if edge[1] < cell.top and cell.bottom < shape[1] - edge[1]:
            assert (cell.top + cell.bottom) / 2 - 0.5 == pytest.approx(green, abs=margin)


@EVERY_FIT
@EVERY_SHAPE
def test_the_cells_cover_what_is_seen_once(preprocessing: Preprocessing, shape: tuple[int, int]) -> None:
    placement = place(shape, preprocessing)
    cells = [placement.cell(row, column, (3, 4)) for row in range(3) for column in range(4)]
    seen = placement.seen
    assert sum(cell.width * cell.height for cell in cells) == pytest.approx(seen.width * seen.height)
    assert min(cell.left for cell in cells) == pytest.approx(seen.left)
    assert max(cell.bottom for cell in cells) == pytest.approx(seen.bottom)


def test_cells_in_bars_of_padding_have_no_area() -> None:
    placement = place((40, 20), Preprocessing(size=16, fit="pad"))
    assert placement.cell(0, 1, (4, 4)).height == 0
    middle = placement.cell(1, 0, (4, 4))
    assert (middle.left, middle.top, middle.right, middle.bottom) == (0, 0, 10, 10)


@EVERY_FIT
@EVERY_SHAPE
@pytest.mark.parametrize("flipped", [False, True])
def test_spread_weights_have_their_peak_in_the_cell(
    preprocessing: Preprocessing, shape: tuple[int, int], flipped: bool
) -> None:
    plain = place(shape, preprocessing)
    placement = Placement(plain.seen, plain.target, plain.size, flipped)
    weights = np.zeros((3, 5))
    weights[1, 3] = 1
    cell = placement.cell(1, 3, (3, 5))
    if cell.width < 1:
        return  # it lies in a bar
    field = placement.spread(weights, shape)
    assert field.shape == shape[::-1]
    row, column = np.unravel_index(np.nanargmax(field), field.shape)
    assert cell.left - 0.51 <= column <= cell.right
    assert cell.top - 0.51 <= row <= cell.bottom
    assert np.nanmin(field) >= 0


def test_even_weights_are_even_and_nothing_is_said_of_what_was_not_seen() -> None:
    field = place((90, 30), Preprocessing(size=16)).spread(np.full((3, 5), 0.2), (90, 30))
    assert np.isnan(field[:, :30]).all()
    assert np.isnan(field[:, 60:]).all()
    assert np.allclose(field[:, 30:60], 0.2)


def test_spread_weights_stand_in_the_middles_of_their_cells() -> None:
    field = place((30, 20), Preprocessing(size=16, fit="stretch")).spread(np.array([[1.0, 2.0, 3.0]]), (30, 20))
    # Cells of 10 pixels; between the middles of two the way is straight.
    expected = np.interp(np.arange(30) + 0.5, [5, 15, 25], [1, 2, 3])
    assert np.allclose(field[7], expected, atol=1e-4)


def test_a_mirrored_image_is_the_mirrored_square() -> None:
    image, plain = ramps(33, 47), place((33, 47), FITS[0])
    mirrored = Placement(plain.seen, plain.target, plain.size, flipped=True)
    assert np.array_equal(mirrored.apply(image), plain.apply(image)[:, ::-1])


def test_a_smaller_copy_gives_nearly_the_same_square() -> None:
    image, placement = ramps(90, 60), place((90, 60), FITS[1])
    smaller = image.resize((45, 30), Image.Resampling.BICUBIC)
    found = placement.apply(smaller, of=(90, 60)).astype(int)
    assert np.abs(found - placement.apply(image).astype(int)).max() <= 2


@EVERY_FIT
@EVERY_SHAPE
def test_without_augmentation_every_draw_is_the_middle(preprocessing: Preprocessing, shape: tuple[int, int]) -> None:
    assert Augmentation().changes_nothing
    drawn = place_at_random(shape, preprocessing, Augmentation(), np.random.default_rng(3))
    assert drawn == place(shape, preprocessing)


@EVERY_FIT
def test_a_random_part_lies_in_the_image_and_is_large_enough(preprocessing: Preprocessing) -> None:
    augmentation = Augmentation(flip=True, smallest_crop=0.6)
    generator = np.random.default_rng(4)
    drawn = [place_at_random((90, 30), preprocessing, augmentation, generator) for _ in range(200)]
    whole = place((90, 30), preprocessing).seen
    shares = [placement.seen.width / whole.width for placement in drawn]
    assert 0.6 <= min(shares) < 0.65
    assert 0.95 < max(shares) <= 1
    assert min(placement.seen.left for placement in drawn) >= 0
    assert max(placement.seen.right for placement in drawn) <= 90
    assert max(placement.seen.bottom for placement in drawn) <= 30
    assert 70 < sum(placement.flipped for placement in drawn) < 130
    assert len({placement.seen.left for placement in drawn}) == 200


def test_the_same_generator_draws_the_same() -> None:
    augmentation = Augmentation(flip=True, smallest_crop=0.5)

    def drawn(seed: int) -> Placement:
        return place_at_random((90, 30), FITS[0], augmentation, np.random.default_rng(seed))

    assert drawn(5) == drawn(5) != drawn(6)

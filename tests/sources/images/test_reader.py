"""Files as squares, as they are and varied for training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from attncli.config.sources.images import Augmentation, Preprocessing
from attncli.data.columns import Places
from attncli.errors import DataError
from attncli.sources.images.reader import ImageReader, mirror

VARIED = Augmentation(flip=True, smallest_crop=0.5)
SIZE = Preprocessing(size=16)


@pytest.fixture
def path(tmp_path: Path) -> str:
    Image.effect_noise((16, 16), 90).convert("RGB").save(tmp_path / "a.png")
    return str(tmp_path / "a.png")


def test_without_a_seed_an_image_is_as_it_is(path: str) -> None:
    with Image.open(path) as image:
        expected = np.asarray(image)
    for augmentation in (None, Augmentation(), VARIED):
        assert np.array_equal(ImageReader(SIZE, augmentation).read(path), expected)
    for augmentation in (None, Augmentation()):
        assert np.array_equal(ImageReader(SIZE, augmentation).read(path, seed=(1, 2)), expected)


def test_the_seed_decides_how_an_image_is_varied(path: str) -> None:
    reader = ImageReader(SIZE, VARIED)
    seen = [reader.read(path, seed=(1, number)) for number in range(8)]
    again = [reader.read(path, seed=(1, number)) for number in range(8)]
    assert all(np.array_equal(one, other) for one, other in zip(seen, again, strict=True))
    assert len({square.tobytes() for square in seen}) == 8


def test_a_mirrored_square_is_that_of_the_mirrored_image(path: str, tmp_path: Path) -> None:
    with Image.open(path) as image:
        ImageOps.mirror(image).save(tmp_path / "b.png")
    reader = ImageReader(SIZE)
    assert np.array_equal(mirror(reader.read(path)), reader.read(str(tmp_path / "b.png")))
    # Half of those that are only mirrored are that; 40 draws are 20 +- 3.
    flipped = ImageReader(SIZE, Augmentation(flip=True))
    seen = [np.array_equal(flipped.read(path, seed=(1, at)), mirror(reader.read(path))) for at in range(40)]
    assert 8 < sum(seen) < 32


def test_squares_are_packed_channels_first(path: str) -> None:
    reader = ImageReader(SIZE)
    square = reader.read(path)
    found = reader.pack([square, mirror(square)])
    assert found.pixels.shape == (2, 3, 16, 16)
    assert torch.equal(found.pixels[0, 1], torch.from_numpy(square[:, :, 1].copy()))
    assert (found.size, len(found)) == (0, 2)
    assert (reader.length(square), reader.places(square), list(reader.words(path, square))) == (1, Places(), [])


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"x\.png: not an image of a known kind"):
        ImageReader(SIZE).read(str(tmp_path / "x.png"))

"""Whatever an image file holds: it is read as an upright RGB image, or refused by name."""

from __future__ import annotations

import io
import random
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from attncli.config.sources.images import Augmentation, Preprocessing
from attncli.errors import DataError
from attncli.sources.images.files import MOST_PIXELS, read_image
from attncli.sources.images.placement import place, place_at_random
from attncli.sources.images.reader import ImageReader

pytestmark = pytest.mark.attack

SIDES = st.integers(1, 9)
RGB = st.tuples(SIDES, SIDES).flatmap(lambda size: arrays.arrays(np.uint8, (*size, 3)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@given(pixels=RGB, kind=st.sampled_from(["PNG", "BMP", "TIFF", "PPM", "WEBP"]))
@attack.attack_settings(80)
def test_an_image_is_read_as_it_was_written(folder: Path, pixels: np.ndarray, kind: str) -> None:
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    (folder / "a").write_bytes(encoded(Image.fromarray(pixels), kind, **options))
    assert np.array_equal(np.asarray(read_image(folder / "a")), pixels)


@given(pixels=RGB, alpha=st.integers(0, 255))
@attack.attack_settings(40)
def test_transparency_is_over_white(folder: Path, pixels: np.ndarray, alpha: int) -> None:
    with_alpha = np.dstack([pixels, np.full(pixels.shape[:2], alpha, np.uint8)])
    (folder / "a").write_bytes(encoded(Image.fromarray(with_alpha), "PNG"))
    expected = 255 + (pixels.astype(float) - 255) * alpha / 255
    assert np.abs(np.asarray(read_image(folder / "a")) - expected).max() <= 1


@given(grey=arrays.arrays(np.uint16, st.tuples(SIDES, SIDES)), kind=st.sampled_from(["PNG", "TIFF"]))
@attack.attack_settings(40)
def test_sixteen_bits_are_scaled(folder: Path, grey: np.ndarray, kind: str) -> None:
    (folder / "a").write_bytes(encoded(Image.fromarray(grey), kind))
    found = np.asarray(read_image(folder / "a")).astype(int)
    assert np.abs(found - grey[:, :, None] / 257).max() < 1


@given(
    width=st.integers(1, 600),
    height=st.integers(1, 600),
    size=st.integers(8, 64),
    fit=st.sampled_from(["crop", "pad", "stretch"]),
    smallest_crop=st.floats(0.05, 1),
    seed=st.integers(0, 2**32),
)
@attack.attack_settings(100)
def test_any_shape_can_be_placed_and_its_weights_put_back(
    width: int, height: int, size: int, fit: Any, smallest_crop: float, seed: int
) -> None:
    preprocessing = Preprocessing(size=size, fit=fit)
    augmentation = Augmentation(flip=True, smallest_crop=smallest_crop)
    image = Image.new("RGB", (width, height), "white")
    for placement in (
        place(image.size, preprocessing),
        place_at_random(image.size, preprocessing, augmentation, np.random.default_rng(seed)),
    ):
        assert placement.apply(image).shape == (size, size, 3)
        field = placement.spread(np.full((3, 4), 0.5), image.size)
        assert field.shape == (height, width)
        assert np.nanmax(field) == pytest.approx(0.5, abs=1e-5)


def noise(size: tuple[int, int] = (24, 17)) -> Image.Image:
    draw = np.random.default_rng(1)
    return Image.fromarray(draw.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))


def with_orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


SEEDS: list[bytes] = [
    encoded(noise(), "JPEG"),
    encoded(noise(), "JPEG", progressive=True, exif=with_orientation(6)),
    encoded(noise().convert("CMYK"), "JPEG"),
    encoded(noise(), "PNG"),
    encoded(noise().convert("P"), "PNG", transparency=3),
    encoded(noise().convert("RGBA"), "PNG"),
    encoded(noise().convert("LA"), "PNG"),
    encoded(noise().convert("1"), "PNG"),
    encoded(Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20) * 150), "PNG"),
    encoded(noise(), "GIF", save_all=True, append_images=[noise().rotate(90)] * 2),
    encoded(noise(), "WEBP"),
    encoded(noise(), "WEBP", save_all=True, append_images=[noise().rotate(180)]),
    encoded(noise(), "TIFF"),
    encoded(noise(), "TIFF", compression="tiff_lzw"),
    encoded(noise().convert("F"), "TIFF"),
    encoded(noise(), "BMP"),
    encoded(noise(), "PPM"),
]


def mutated(content: bytes, draw: random.Random) -> bytes:
    """Return `content` cut, or with bytes changed, mostly near its start, where headers are."""
    if draw.random() < 0.15:
        return content[: draw.randrange(len(content))]
    changed = bytearray(content)
    for _ in range(draw.choice([1, 1, 4, 30])):
        reach = min(len(changed), 64) if draw.random() < 0.6 else len(changed)
        changed[draw.randrange(reach)] = draw.choice([0, 255, 127, draw.randrange(256)])
    return bytes(changed)


def test_no_mutated_image_raises_anything_but_a_message(folder: Path) -> None:
    draw = attack.attack_random()
    reader = ImageReader(Preprocessing(size=16), Augmentation(flip=True, smallest_crop=0.5))
    refused = 0
    for number in range(attack.scaled(500)):
        content = mutated(draw.choice(SEEDS), draw)
        path = folder / f"{number % 7}.jpg"
        path.write_bytes(content)
        try:
            assert reader.read(str(path), seed=None if number % 2 else (1, number)).shape == (16, 16, 3)
            image = read_image(path)
            assert image.mode == "RGB"
            assert 0 < image.width * image.height <= MOST_PIXELS
        except DataError as error:
            refused += str(error).startswith(f"{path}: ")
        except Exception as error:
            raise AssertionError(f"case {number}: {content!r}") from error
    assert refused > 100


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


BOMBS: dict[str, Callable[[], bytes]] = {
    # 200 MB of text in a comment.
    "comment": lambda: (
        SEEDS[3][:33] + png_chunk(b"zTXt", b"a\0\0" + zlib.compress(b"a" * (200 << 20), 1)) + SEEDS[3][33:]
    ),
    "profile": lambda: (
        SEEDS[3][:33] + png_chunk(b"iCCP", b"a\0\0" + zlib.compress(b"a" * (200 << 20), 1)) + SEEDS[3][33:]
    ),
    "ppm": lambda: b"P6\n99999999 99999999\n255\n",
    "loop.tiff": lambda: b"II*\0\x08\0\0\0\x01\0\0\x01\x03\0\x01\0\0\0\xff\xff\0\0\x08\0\0\0",
}


@pytest.mark.parametrize("name", list(BOMBS))
def test_bombs_take_no_memory(folder: Path, name: str) -> None:
    (folder / name).write_bytes(BOMBS[name]())
    tracemalloc.start()
    with pytest.raises(DataError, match=rf"^{folder}/{name}: "):
        read_image(folder / name)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 80 << 20

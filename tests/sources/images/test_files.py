"""Images of every kind come as upright RGB, and whatever is none is refused by name."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from attncli.errors import DataError
from attncli.files.reading import find_images
from attncli.sources.images import files as images
from attncli.sources.images.files import MOST_PIXELS, read_image

RED, GREEN, BLUE = (200, 30, 20), (10, 180, 60), (40, 50, 220)


def coloured(width: int = 5, height: int = 3) -> Image.Image:
    """Return an image of which no two pixels are alike."""
    values = np.arange(width * height * 3, dtype=np.uint8).reshape(height, width, 3) * 5
    return Image.fromarray(values)


def pixels(path: Path) -> np.ndarray:
    image = read_image(path)
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "a.png", coloured(), exif=exif)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(pixels(path), expected)
    assert pixels(path).shape == ((5, 3, 3) if orientation > 4 else (3, 5, 3))


@pytest.mark.parametrize("value", [0, 9, 500])
def test_an_orientation_that_does_not_exist_changes_nothing(tmp_path: Path, value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    assert np.array_equal(pixels(saved(tmp_path / "a.png", coloured(), exif=exif)), np.asarray(coloured()))


def test_damaged_exif_does_not_cost_the_image(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", coloured(), exif=b"Exif\0\0II*\0" + b"\xff" * 9)
    assert np.array_equal(pixels(path), np.asarray(coloured()))


def test_grey_and_black_and_white_have_three_equal_channels(tmp_path: Path) -> None:
    grey = np.array([[0, 90, 255]], np.uint8)
    found = pixels(saved(tmp_path / "a.png", Image.fromarray(grey)))
    assert np.array_equal(found, np.repeat(grey[:, :, None], 3, 2))
    assert pixels(saved(tmp_path / "b.png", Image.fromarray(grey).convert("1")))[0, 2].tolist() == [255] * 3


def test_sixteen_bits_keep_their_shades(tmp_path: Path) -> None:
    grey = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
    for name in ("a.png", "a.tiff"):
        assert pixels(saved(tmp_path / name, Image.fromarray(grey)))[0, :, 0].tolist() == [0, 1, 128, 255]
    wide = Image.fromarray(grey.astype(np.int32))
    assert pixels(saved(tmp_path / "b.tiff", wide))[0, :, 2].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize(
    "values", [np.array([[0.5]], np.float32), np.array([[70000]], np.int32), np.array([[-1]], np.int32)]
)
def test_greys_without_a_known_white_are_refused(tmp_path: Path, values: np.ndarray) -> None:
    path = saved(tmp_path / "a.tiff", Image.fromarray(values))
    with pytest.raises(DataError, match=rf"^{path}: its grey values are not 16-bit integers, so which one is white"):
        read_image(path)


def test_transparency_shows_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (3, 1), (*RED, 255))
    image.putpixel((1, 0), (*RED, 0))
    image.putpixel((2, 0), (100, 0, 50, 51))  # a fifth of the colour
    found = pixels(saved(tmp_path / "a.png", image))[0].tolist()
    assert found == [[*RED], [255, 255, 255], [224, 204, 214]]
    grey = pixels(saved(tmp_path / "b.png", Image.new("LA", (2, 1), (9, 0))))
    assert (grey == 255).all()


def test_a_palette_is_resolved_and_its_transparent_entry_is_white(tmp_path: Path) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *GREEN, *BLUE])
    image.putdata([0, 1, 2])
    assert pixels(saved(tmp_path / "a.png", image))[0].tolist() == [[*RED], [*GREEN], [*BLUE]]
    assert pixels(saved(tmp_path / "b.png", image, transparency=1))[0].tolist() == [[*RED], [255] * 3, [*BLUE]]
    assert pixels(saved(tmp_path / "c.gif", image, transparency=2))[0, 2].tolist() == [255] * 3


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", Image.new("CMYK", (16, 16), (0, 255, 255, 0)), quality=95)
    assert np.abs(pixels(path) - [255, 0, 0]).max() < 12


def test_a_progressive_image_is_the_plain_one(tmp_path: Path) -> None:
    image = coloured(40, 30)
    plain = pixels(saved(tmp_path / "a.jpg", image, quality=90))
    assert np.array_equal(pixels(saved(tmp_path / "b.jpg", image, quality=90, progressive=True)), plain)


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.tiff"])
def test_the_first_frame_of_an_animation_is_read(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    options = {"lossless": True} if name == "a.webp" else {}
    path = saved(tmp_path / name, frames[0], save_all=True, append_images=frames[1:], **options)
    assert np.abs(pixels(path) - RED).max() <= 1


def test_a_large_jpeg_may_come_smaller_and_other_kinds_do_not(tmp_path: Path) -> None:
    image = Image.effect_noise((640, 480), 20).convert("RGB")
    smaller = read_image(saved(tmp_path / "a.jpg", image), shorter_side=50)
    assert smaller.size == (160, 120)
    assert read_image(saved(tmp_path / "b.png", image), shorter_side=50).size == (640, 480)
    assert read_image(tmp_path / "a.jpg").size == (640, 480)


def failure(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_image(path)
    return str(caught.value)


def test_what_is_no_image_is_refused_by_name(tmp_path: Path) -> None:
    empty, text = tmp_path / "empty.jpg", tmp_path / "text.jpg"
    empty.touch()
    text.write_text("A dog runs .")
    assert failure(empty) == f"{empty}: an empty file, not an image"
    assert failure(text) == f"{text}: not an image of a known kind"
    assert failure(tmp_path / "none.jpg") == f"{tmp_path}/none.jpg: no such file"
    (tmp_path / "folder.jpg").mkdir()
    assert failure(tmp_path / "folder.jpg") == f"{tmp_path}/folder.jpg: is a folder, not a file"


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "webp", "bmp", "tiff"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_cut_file_is_refused_by_name(tmp_path: Path, kind: str, share: float) -> None:
    whole = saved(tmp_path / f"whole.{kind}", Image.effect_noise((90, 70), 90)).read_bytes()
    path = tmp_path / f"cut.{kind}"
    path.write_bytes(whole[: int(share * len(whole))])
    assert failure(path).startswith((f"{path}: a damaged image: ", f"{path}: not an image of a known kind"))


def test_postscript_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*arguments: object, **options: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr("subprocess.check_call", run)
    monkeypatch.setattr("PIL.EpsImagePlugin.has_ghostscript", lambda: True)
    path = tmp_path / "a.jpg"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(x) run\nshowpage\n%%EOF\n")
    assert failure(path).startswith(f"{path}: not an image of a known kind")


@pytest.mark.parametrize("size", [b"0 5", b"5 0", b"0 0", b"-5 5"])
def test_an_image_without_pixels_is_refused(tmp_path: Path, size: bytes) -> None:
    path = tmp_path / "a.ppm"
    path.write_bytes(b"P6\n" + size + b"\n255\n")
    assert failure(path).startswith(f"{path}: ")


def _png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1_000_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_001, 60_000])
def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(_png_that_claims(side, side))
    text = failure(path)
    assert text.startswith(f"{path}: ")
    assert text.endswith(f"over the {MOST_PIXELS:,} that an image may have")


def test_the_limit_of_pixels_is_said_with_the_size_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MOST_PIXELS", 14)
    path = saved(tmp_path / "a.png", coloured())
    assert failure(path) == f"{path}: 5 × 3 pixels, over the 14 that an image may have"


def test_images_of_a_folder_are_found_below_it_too_in_order(tmp_path: Path) -> None:
    for name in ("b.JPG", "a/c.png", "a/notes.txt", "captions.csv", "d.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert find_images(tmp_path) == [tmp_path / name for name in ("a/c.png", "b.JPG", "d.webp")]


@pytest.mark.shared_data
def test_photographs_of_any_shape_are_read(shared_data: Path) -> None:
    found = find_images(shared_data / "flickr8k" / "originals")
    sizes = {read_image(path).size for path in found}
    assert len(found) == 8
    assert all(max(size) == 500 for size in sizes)

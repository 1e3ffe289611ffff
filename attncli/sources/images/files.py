"""Reads image files of any kind as upright RGB, or says why a file cannot be read."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from attncli.errors import DataError
from attncli.files.reading import unreadable

# 300 MB as RGB, and more than cameras make. A file of a few kilobytes can claim far more.
MOST_PIXELS = 100_000_000

# Pillow would try many more, among them PostScript, which it gives to another program to run.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")

_ORIENTATION = 0x0112
# The values of EXIF's orientation, and what turns such an image upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_image(path: Path, *, shorter_side: int | None = None) -> Image.Image:
    """Return the image in `path`, or the first frame of an animation: upright, RGB, transparent parts over white.

    With `shorter_side` a large JPEG may be decoded smaller, which is faster, but at least twice that size. Raises
    DataError, which names the file, for anything that is not a whole image, or has more than MOST_PIXELS pixels.
    """
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path}: an empty file, not an image")
        with warnings.catch_warnings():
            # Pillow warns of harmless oddities; the size is checked below.
            warnings.simplefilter("ignore")
            return _read(path, shorter_side)
    except UnidentifiedImageError:
        raise DataError(f"{path}: not an image of a known kind") from None
    except Image.DecompressionBombError:
        raise DataError(_too_large(path)) from None
    except DataError:
        raise
    except Exception as error:
        # On broken files Pillow's readers raise all kinds of errors: OSError, SyntaxError, struct.error and others.
        if isinstance(error, OSError) and error.errno is not None:
            raise unreadable(path, error) from None
        raise DataError(f"{path}: a damaged image: {error or type(error).__name__}") from None


def _read(path: Path, shorter_side: int | None) -> Image.Image:
    with Image.open(path, formats=_FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            raise DataError(_too_large(path, f"{image.width:,} × {image.height:,} pixels"))
        if shorter_side is not None:
            image.draft(None, (2 * shorter_side, 2 * shorter_side))
        image.load()
        orientation = _orientation(image)
        upright = image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image
        return _as_rgb(upright, path)


def _too_large(path: Path, found: str = "too many pixels") -> str:
    return f"{path}: {found}, over the {MOST_PIXELS:,} that an image may have"


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        # The pixels are fine even if the EXIF data is damaged.
        return 1


def _as_rgb(image: Image.Image, path: Path) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _eight_bits(image, path).convert("RGB")
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        return Image.alpha_composite(white, coloured).convert("RGB")
    # Always a copy, since the caller closes the file.
    return image.convert("RGB") if image.mode != "RGB" else image.copy()


def _eight_bits(image: Image.Image, path: Path) -> Image.Image:
    """Return a 16-bit greyscale image with 8 bits; Pillow's own conversion clips at 255 instead of scaling."""
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 0xFFFF:
        raise DataError(
            f"{path}: its grey values are not 16-bit integers, so which one is white is unknown; "
            "save it with 8 or 16 bits"
        )
    return Image.fromarray((values // 257).astype(np.uint8))

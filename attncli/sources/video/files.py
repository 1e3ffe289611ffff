"""Opens films of any kind as frames that are decoded one by one, or says why a film cannot be read."""

from __future__ import annotations

import importlib
import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from attncli.errors import DataError
from attncli.files.reading import SUFFIXES as IMAGE_SUFFIXES
from attncli.files.reading import is_folder, unreadable
from attncli.sources.images.files import read_image

INSTALL = "pip install 'attncli[film]'"

# More than 8K film has. A decoder holds up to twenty frames, so this bounds its memory at a few gigabytes.
MOST_PIXELS = 36_000_000
# No playlists or lists of files: those name other files, or addresses in the network.
_CONTAINERS = "asf,avi,flv,ivf,matroska,mov,mpeg,mpegts,ogg"
_GIF_END, _LONGEST_PADDING = b"\x3b", 64  # bytes
_DEFAULT_DURATION = 0.1  # seconds of a frame of an animation that does not tell; what browsers take


class Frame(NamedTuple):
    """A frame of a film, decoded when it is asked for, before the next."""

    seconds: float  # from the start of the film
    image: Callable[[], Image.Image]  # RGB


class Film(ABC):
    """A film whose frames can be read again and again, in their order. DataErrors name its file."""

    @abstractmethod
    def count(self) -> int:
        """Return the number of frames, at least 1."""

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """Yield the frames; never more than a few are in memory."""


def film_at(path: Path, *, frame_height: int | None, frames_per_second: float) -> Film:
    """Return the film in `path`: a folder of frames, with `frame_height` an image of frames one below the other, or a
    file.

    GIF and WebP are read without another library; other files need that of the extra `film`. `frames_per_second` is
    the speed of films that do not tell it.
    """
    if frame_height is not None:
        return FrameColumn(path, frame_height, frames_per_second)
    if is_folder(path):
        return FrameFolder(path, frames_per_second)
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except OSError as error:
        raise unreadable(path, error) from None
    if not start:
        raise DataError(f"{path}: an empty file, not a film")
    if start[:4] == b"GIF8" or (start[:4] == b"RIFF" and start[8:] == b"WEBP"):
        return Animation(path)
    return Video(path)


@dataclass(frozen=True)
class FrameFolder(Film):
    """A folder with an image per frame, in the order of their names and the numbers in these."""

    path: Path
    frames_per_second: float

    def count(self) -> int:
        """Return the number of images."""
        return len(self.images())

    def frames(self) -> Iterator[Frame]:
        """Yield the frames; only those that are asked for are read."""
        for number, image in enumerate(self.images()):
            yield Frame(number / self.frames_per_second, lambda image=image: read_image(image))  # type: ignore[misc]

    def images(self) -> list[Path]:
        """Return the files of the frames."""
        try:
            found = [each for each in self.path.iterdir() if each.suffix.lower() in IMAGE_SUFFIXES]
        except OSError as error:
            raise unreadable(self.path, error) from None
        if not found:
            raise DataError(f"{self.path}: no image in this folder, so it is not a film of frames")
        return sorted(found, key=lambda image: _place(image.name))


def _place(name: str) -> list[str | int]:
    """Return what sorts names by the numbers in them: frame-9 before frame-10."""
    return [int(part) if number % 2 else part for number, part in enumerate(re.split("([0-9]+)", name))]


@dataclass(frozen=True)
class FrameColumn(Film):
    """An image of frames one below the other."""

    path: Path
    height: int  # of a frame, in pixels
    frames_per_second: float

    def count(self) -> int:
        """Return the number of frames."""
        return self._whole().height // self.height

    def frames(self) -> Iterator[Frame]:
        """Yield the frames."""
        whole = self._whole()
        for number in range(whole.height // self.height):
            box = 0, number * self.height, whole.width, (number + 1) * self.height
            yield Frame(number / self.frames_per_second, lambda box=box: whole.crop(box))  # type: ignore[misc]

    def _whole(self) -> Image.Image:
        whole = read_image(self.path)
        if whole.height % self.height:
            raise DataError(
                f"{self.path}: {whole.height} pixels high, not a multiple of model.encoder.frame_height "
                f"({self.height}); the last frame is cut off, or frames have another height"
            )
        return whole


@dataclass(frozen=True)
class Animation(Film):
    """A GIF or WebP file."""

    path: Path

    def count(self) -> int:
        """Return the number of frames."""
        with self._opened() as image:
            return int(getattr(image, "n_frames", 1))

    def frames(self) -> Iterator[Frame]:
        """Yield the frames, transparent parts over white."""
        seconds = 0.0
        with self._opened() as image:
            for number in range(int(getattr(image, "n_frames", 1))):
                image.seek(number)
                image.load()
                yield Frame(seconds, lambda: _over_white(image))
                seconds += float(image.info.get("duration") or 0) / 1000 or _DEFAULT_DURATION

    @contextmanager
    def _opened(self) -> Iterator[Image.Image]:
        try:
            with warnings.catch_warnings():
                # Pillow warns of large images; their size is checked below.
                warnings.simplefilter("ignore")
                opened = Image.open(self.path, formats=("GIF", "WEBP"))
            with opened as image:
                if image.format == "GIF":
                    self._check_end()
                _check_size(self.path, image.width, image.height)
                yield image
        except DataError:
            raise
        except Image.DecompressionBombError:  # Pillow refuses the largest by itself
            raise DataError(_too_large(self.path, "too many pixels")) from None
        except Exception as error:
            # On broken files Pillow's readers raise all kinds of errors: OSError, SyntaxError, struct.error and others.
            if isinstance(error, OSError) and error.errno is not None:
                raise unreadable(self.path, error) from None
            raise DataError(f"{self.path}: a damaged film: {error or type(error).__name__}") from None

    def _check_end(self) -> None:
        # Pillow takes what there is of a GIF for the whole.
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - _LONGEST_PADDING))
            if not file.read().rstrip(b"\0").endswith(_GIF_END):
                raise DataError(f"{self.path}: cut off: a GIF ends with a byte {_GIF_END[0]:#x}, and this one does not")


def _over_white(image: Image.Image) -> Image.Image:
    coloured = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured).convert("RGB")


@dataclass(frozen=True)
class Video(Film):
    """A file that the library av decodes."""

    path: Path

    def count(self) -> int:
        """Return the number of frames that the file holds, without decoding them."""
        with self._opened() as (container, stream):
            held = sum(1 for packet in container.demux(stream) if packet.size)
            promised = int(stream.frames)
        if held < promised:
            raise DataError(f"{self.path}: cut off: its header promises {promised:,} frames, but it holds {held:,}")
        if not held:
            raise DataError(f"{self.path}: holds no frames")
        return held

    def frames(self) -> Iterator[Frame]:
        """Yield the frames."""
        with self._opened() as (container, stream):
            rate = float(stream.average_rate or 25)
            for number, frame in enumerate(container.decode(stream)):
                yield Frame(number / rate if frame.time is None else frame.time, frame.to_image)

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        av = _library(self.path)
        try:
            with self.path.open("rb") as file, av.open(file, options={"format_whitelist": _CONTAINERS}) as container:
                yield container, self._stream(container)
        except av.error.FFmpegError as error:
            # Some of its errors are OSErrors as well, but none is about the file itself, which is open.
            what = str(error.strerror or error).lower()
            raise DataError(f"{self.path}: not a film of a known kind, or a damaged one: {what}") from None
        except OSError as error:
            raise unreadable(self.path, error) from None

    def _stream(self, container: Any) -> Any:
        """Return the first stream of images, once it is known that it can be decoded."""
        if not container.streams.video:
            raise DataError(f"{self.path}: holds no film, only {_kinds(container)}")
        stream = container.streams.video[0]
        context = stream.codec_context
        if context is None:
            raise DataError(f"{self.path}: its film is of a codec that the library av does not know; convert it")
        _check_size(self.path, context.width, context.height)
        context.options = {"max_pixels": str(MOST_PIXELS)}
        return stream


def _kinds(container: Any) -> str:
    return ", ".join(sorted({str(stream.type) for stream in container.streams})) or "no stream"


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise DataError(_too_large(path, f"{width:,} × {height:,} pixels"))


def _too_large(path: Path, found: str) -> str:
    return f"{path}: frames of {found}, over the {MOST_PIXELS:,} that a frame may have; make them smaller"


def _library(path: Path) -> Any:
    try:
        return importlib.import_module("av")
    except ImportError as error:
        raise DataError(
            f"{path}: only GIF, WebP and folders of frames are read without the library av, which cannot be imported "
            f"({error}); install it with: {INSTALL}"
        ) from None

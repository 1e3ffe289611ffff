"""Images with their captions, split by split: the names in caption files joined with the files of images."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from attncli.config.captions import CaptionFile, CaptioningData, CaptionSplit
from attncli.data.forms.caption_files import BadCaption, Caption, read_captions
from attncli.data.forms.example import Example
from attncli.errors import DataError, Problems, counted
from attncli.files.reading import find_images, is_file, is_folder, read_lines
from attncli.files.untrusted import is_inside

_FLICKR_ID = re.compile(r"[0-9]+(?=[._])")


@dataclass(frozen=True)
class CaptionedImage:
    """An image and its captions."""

    path: Path
    captions: tuple[str, ...]


@dataclass(frozen=True)
class CaptionedImages:
    """The images of a split, each once, in the order of its list or, without one, of its captions."""

    images: tuple[CaptionedImage, ...]
    notes: tuple[str, ...]  # what was left out, and why

    def __len__(self) -> int:
        return len(self.images)

    @property
    def captions(self) -> int:
        """The number of captions."""
        return sum(len(image.captions) for image in self.images)


class ImageFolder:
    """The images in a folder and its subfolders, found by name."""

    def __init__(self, path: Path, *, match_names: str = "exact"):
        self.path = path
        self._identity = _flickr_id if match_names == "flickr_id" else _exact
        if not is_folder(path):
            raise DataError(f"{path}: no folder; data.images names the folder of the images")
        found = find_images(path)
        # Whole paths take precedence; a bare name stands for the first file that has it.
        self._paths: dict[str, Path] = {}
        for name in ("whole", "bare"):
            for file in found:
                key = file.relative_to(path).as_posix() if name == "whole" else file.name
                self._paths.setdefault(self._identity(key), file)

    def identity(self, name: str) -> str:
        """Return what all names of one image have in common."""
        return self._identity(name)

    def find(self, name: str) -> Path | None:
        """Return the file of the image `name`, or None; `name` may begin with folders that do not exist."""
        for wanted in (name, name.rsplit("/", 1)[-1]):
            if found := self._paths.get(self._identity(wanted)):
                return found
        # A file whose suffix is none of an image's, which the folder was not searched for.
        path = self.path / name
        return path if is_file(path) and is_inside(path, self.path) else None


def _exact(name: str) -> str:
    return name


def _flickr_id(name: str) -> str:
    """Return the Flickr id that file names of Flickr8k and Flickr30k begin with."""
    match = _FLICKR_ID.match(name.rsplit("/", 1)[-1])
    return match[0] if match else name


def read_split(data: CaptioningData, split: CaptionSplit, *, key: str) -> CaptionedImages:
    """Return the images of `split`, the one at `data.<key>`; paths are relative to `data.root`.

    Raises DataError that names the bad captions, missing images and images without captions, unless `data` skips them.
    """
    root = Path(data.root)
    folder = ImageFolder(root / (data.images if split.images is None else split.images), match_names=data.match_names)
    found, notes = _read(data.files(split), root, data, key)
    if split.split is not None:
        found = _of_split(found, split.split, data.files(split), root)
    captions: dict[str, list[Caption]] = {}
    for caption in found:
        captions.setdefault(folder.identity(caption.image), []).append(caption)
    if split.list is not None:
        wanted = _names(root / split.list, folder)
    else:
        wanted = {identity: group[0].image for identity, group in captions.items()}
    images, missing = _joined(wanted, captions, folder)
    place = root / (data.files(split)[0].file if split.list is None else split.list)
    notes += _missing_notes(missing, data, key, folder=folder.path, place=place)
    if not images:
        raise DataError(f"data.{key}: no image with a caption in {folder.path}")
    return CaptionedImages(tuple(images), tuple(notes))


def _read(files: Iterable[CaptionFile], root: Path, data: CaptioningData, key: str) -> tuple[list[Caption], list[str]]:
    captions: list[Caption] = []
    problems, bad = Problems(), 0
    for file in files:
        for found in read_captions(file, root):
            if isinstance(found, BadCaption):
                bad += 1
                problems.add(f"{found.where}: {found.what}")
            else:
                captions.append(found)
    if data.bad_captions == "error":
        problems.raise_if_any("mend these, or leave them out with data.bad_captions: skip")
    return captions, [f"{key}: left out {counted(bad, 'bad caption')}"] if bad else []


def _of_split(captions: list[Caption], name: str, files: Sequence[CaptionFile], root: Path) -> list[Caption]:
    found = [caption for caption in captions if caption.split == name]
    if not found:
        there = ", ".join(sorted({caption.split for caption in captions if caption.split is not None}))
        raise DataError(
            f"{', '.join(str(root / file.file) for file in files)}: nothing is of the split {name!r}; "
            + (f"there are {there}" if there else "no caption says of which split it is")
        )
    return found


def _names(path: Path, folder: ImageFolder) -> dict[str, str]:
    """Return the names of a list by their identity; blank lines are left out."""
    names: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), start=1):
        name = line.strip()
        if not name:
            continue
        if "\t" in name:
            raise DataError(f"{path}:{number}: {name[:60]!r}: expected the name of one image a line")
        names.setdefault(folder.identity(name), name)
    return names


@dataclass(frozen=True)
class _Missing:
    """Names that cannot be used."""

    files: list[str]  # without an image
    captions: list[str]  # without a caption


def _joined(
    wanted: dict[str, str], captions: dict[str, list[Caption]], folder: ImageFolder
) -> tuple[list[CaptionedImage], _Missing]:
    images, missing = [], _Missing([], [])
    for identity, name in wanted.items():
        path = folder.find(name)
        if path is None:
            missing.files.append(name)
        elif identity not in captions:
            missing.captions.append(name)
        else:
            images.append(CaptionedImage(path, tuple(caption.text for caption in captions[identity])))
    return images, missing


def _missing_notes(missing: _Missing, data: CaptioningData, key: str, *, folder: Path, place: Path) -> list[str]:
    if data.missing == "error":
        problems = Problems()
        for name in missing.files:
            problems.add(f"{place}: there is no image {name!r} in {folder}")
        for name in missing.captions:
            problems.add(f"{place}: {name!r} has no caption")
        problems.raise_if_any("mend these, or leave them out with data.missing: skip")
    return [
        f"{key}: left out {counted(len(names), 'name')} {what}, such as {names[0]}"
        for names, what in ((missing.files, "without an image"), (missing.captions, "without a caption"))
        if names
    ]


class CaptionForm:
    """The split of captioned images at `data.<key>`."""

    facts = None

    def __init__(self, data: CaptioningData, split: CaptionSplit, *, key: str):
        self._found = read_split(data, split, key=key)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out and why."""
        return self._found.notes

    def place(self, side: str, number: int) -> str:
        """Return the path of an image."""
        return str(self._found.images[number - 1].path)

    def __iter__(self) -> Iterator[Example]:
        for number, image in enumerate(self._found.images, start=1):
            yield Example(number, {"source": str(image.path)}, image.captions)

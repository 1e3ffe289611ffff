"""Examples of fixed size, images or vectors, as rows of one array on disk, memory-mapped.

N examples, D components of each.
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from attncli.config.tasks.autoencoding import Part, PictureData, PictureSet, VectorData, VectorSet
from attncli.data.cache import (
    DamagedError,
    cache_folder,
    cached,
    fingerprint,
    key_of,
    read_description,
    write_description,
)
from attncli.errors import DataError, Problems, counted
from attncli.files.arrays import mapped
from attncli.files.reading import SUFFIXES, find_images, is_file, is_folder, read_lines, unreadable
from attncli.files.untrusted import is_inside
from attncli.sources.images.files import read_image as read_upright

FORMAT = 3
WHITE = 255

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Examples:
    """Examples as rows of components, and the name of each."""

    values: Array  # [N, D] uint8 (images, 0 to 255) or float32 (vectors)
    names: tuple[str, ...]  # the path of an image in its folder, or the number of a vector in its file, from 1

    def __len__(self) -> int:
        return len(self.values)

    @property
    def size(self) -> int:
        """D."""
        return int(self.values.shape[1])

    def rows(self, indices: Array | slice) -> Tensor:
        """Return rows [B, D] as float32; images from 0 to 1."""
        rows = torch.from_numpy(np.array(self.values[indices]))
        return rows.float() / WHITE if rows.dtype == torch.uint8 else rows

    def chunks(self, size: int) -> Iterator[Tensor]:
        """Yield all rows in order, [at most `size`, D] at a time."""
        for start in range(0, len(self), size):
            yield self.rows(slice(start, start + size))

    def mean(self) -> Tensor:
        """Return the mean row [D]."""
        total = torch.zeros(self.size, dtype=torch.float64)
        for rows in self.chunks(4096):
            total += rows.sum(0, dtype=torch.float64)
        return (total / len(self)).float()


def read_images(data: PictureData, pictures: PictureSet) -> Examples:
    """Return `pictures` in the size that `data` asks for, from a cache if neither has changed.

    Raises DataError, which names each file, for images that cannot be read, and if there are none.
    """
    folder = Path(data.root) / pictures.folder
    names = [name for name in _picture_names(folder, data, pictures) if in_part(name, pictures.part)]
    if not names:
        raise DataError(f"{folder}: no images{_of_part(pictures.part)}; known suffixes are {', '.join(SUFFIXES)}")
    wanted = {"height": data.height, "width": data.width, "colour": data.colour}
    files = [[name, fingerprint(folder / name)] for name in names]
    return _cached(
        data.cache,
        {"pictures": files, **wanted},
        lambda making: _write(making, _decoded(folder, names, data), names),
    )


def read_vectors(data: VectorData, vectors: VectorSet) -> Examples:
    """Return `vectors`, which must have `data.size` components each.

    Raises DataError, which names file and line, for rows that are not such vectors, and if there are none.
    """
    path = Path(data.root) / vectors.file
    facts = {"vectors": fingerprint(path), "suffix": path.suffixes[-2:], "size": data.size, "part": vectors.part}
    return _cached(data.cache, facts, lambda making: _write(making, *_vectors(path, data.size, vectors.part)))


def in_part(name: str, part: Part) -> bool:
    """Tell whether the example `name` belongs to `part`; the checksum of the name divides them 8 : 1 : 1."""
    if part == "all":
        return True
    digit = zlib.crc32(name.encode()) % 10
    return part == ("dev" if digit == 8 else "test" if digit == 9 else "train")


def _of_part(part: Part) -> str:
    return "" if part == "all" else f" of the part {part!r}"


def _picture_names(folder: Path, data: PictureData, pictures: PictureSet) -> list[str]:
    if not is_folder(folder):
        raise DataError(f"{folder}: {'is a file, not a folder' if is_file(folder) else 'no such folder'}")
    if pictures.list is None:
        found = find_images(folder)
        return sorted(path.relative_to(folder).as_posix() for path in found)
    listing = Path(data.root) / pictures.list
    names = [line.strip() for line in read_lines(listing)]
    problems = Problems()
    for number, name in enumerate(names, start=1):
        if name and not (is_file(folder / name) and is_inside(folder / name, folder)):
            problems.add(f"{listing}:{number}: names {name!r}, but there is no such file in {folder}")
    problems.raise_if_any()
    return [name for name in names if name]


def _decoded(folder: Path, names: Sequence[str], data: PictureData) -> Array:
    """Return the images `names` as rows [N, D], channel by channel."""
    rows = np.empty((len(names), data.size), np.uint8)
    problems = Problems()
    for row, name in zip(rows, names, strict=True):
        try:
            row[:] = read_image(folder / name, data)
        except DataError as error:
            problems.add(str(error))
    problems.raise_if_any("mend or remove these files, or name the images to use with `list`")
    return rows


def read_image(path: Path, data: PictureData) -> Array:
    """Return the image in `path` as `data` asks for, [D] uint8: channel by channel, each row by row from the top."""
    converted = read_upright(path).convert("RGB" if data.colour else "L")
    # Each new pixel is the mean of those it covers.
    resized = converted.resize((data.width, data.height), Image.Resampling.BOX)
    pixels = np.asarray(resized).reshape(data.height, data.width, data.channels)
    return pixels.transpose(2, 0, 1).reshape(-1)


def _vectors(path: Path, size: int, part: Part) -> tuple[Array, list[str]]:
    """Return the rows of `path` that belong to `part`, and their numbers."""
    if path.suffix == ".npy":
        rows = _npy_rows(path)
    elif path.name.endswith((".csv", ".csv.gz")):
        rows = _csv_rows(path, size)
    else:
        raise DataError(f"{path}: vectors come from .csv, .csv.gz or .npy files")
    if rows.shape[1] != size:
        raise DataError(f"{path}: vectors of {rows.shape[1]} components, but data.size is {size}")
    with np.errstate(over="ignore"):  # becomes infinite, which is refused
        rows = rows.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise DataError(
            f"{path}: row {bad[0] + 1} has a component that is not a finite float32 number; remove such rows"
        )
    names = [str(number) for number in range(1, len(rows) + 1)]
    kept = [index for index, name in enumerate(names) if in_part(name, part)]
    if not kept:
        raise DataError(f"{path}: no vectors{_of_part(part)}")
    return rows[kept], [names[index] for index in kept]


def _npy_rows(path: Path) -> Array:
    try:
        values = mapped(path)
    except OSError as error:
        raise unreadable(path, error) from None
    except Exception as error:
        # On broken headers, which are Python literals, numpy's reader raises all kinds of errors.
        raise DataError(f"{path}: not a .npy file of numbers: {error or type(error).__name__}") from None
    if values.ndim != 2 or not (np.issubdtype(values.dtype, np.floating) or np.issubdtype(values.dtype, np.integer)):
        raise DataError(
            f"{path}: holds {values.dtype} of shape {list(values.shape)}; expected numbers with a vector a row"
        )
    return values


def _csv_rows(path: Path, size: int) -> Array:
    rows: list[list[float]] = []
    problems = Problems()
    reader = csv.reader(read_lines(path))
    try:
        for cells in reader:
            try:
                row = [float(cell) for cell in cells]
            except ValueError as error:
                if reader.line_num > 1:  # the first line may be a header
                    problems.add(f"{path}:{reader.line_num}: not a vector of numbers: {error}")
                continue
            if len(row) != size:
                problems.add(f"{path}:{reader.line_num}: {counted(len(row), 'component')}, but data.size is {size}")
            rows.append(row)
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: not CSV: {error}") from None
    problems.raise_if_any()
    return np.array(rows).reshape(len(rows), size)


def _cached(configured: str | None, facts: dict[str, Any], make: Any) -> Examples:
    folder = cache_folder(configured) / "examples"
    return cached(folder, key_of({"format": FORMAT, **facts}), make=make, open_folder=_open)


def _write(folder: Path, values: Array, names: Sequence[str]) -> None:
    content = np.ascontiguousarray(values)
    (folder / "values").write_bytes(content.data)
    description = {
        "shape": list(content.shape),
        "dtype": content.dtype.name,
        "values": zlib.crc32(content.data),
        "names": list(names),
    }
    write_description(folder / "examples.json", description, format=FORMAT)


def _open(folder: Path) -> Examples:
    description = read_description(folder / "examples.json", format=FORMAT)
    try:
        values = np.memmap(folder / "values", description["dtype"], mode="r", shape=tuple(description["shape"]))
        if zlib.crc32(values.data) != description["values"]:
            raise DamagedError(f"{folder}: wrong checksum")
    except (OSError, ValueError) as error:
        raise DamagedError(f"{folder}: {error}") from None
    # A plain view of the map: slicing numpy's memmap class itself is several times slower.
    return Examples(np.asarray(values), tuple(description["names"]))

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from attncli.data.sets.toy_images import ToyPictureSizes, make_toy_pictures
from attncli.errors import DataError


def made(folder: Path, seed: int, *, train: int = 5) -> dict[str, bytes]:
    make_toy_pictures(folder, ToyPictureSizes(train=train, dev=2, test=3), seed=seed)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.png"))}


def test_the_seed_decides_the_pictures(tmp_path: Path) -> None:
    first = made(tmp_path / "a", 1)
    assert first == made(tmp_path / "b", 1)
    assert len(set(first.values())) == len(first) == 10
    assert not set(first.values()) & set(made(tmp_path / "c", 2).values())


def test_more_training_pictures_leave_the_others_as_they_are(tmp_path: Path) -> None:
    few, many = made(tmp_path / "a", 1), made(tmp_path / "b", 1, train=8)
    assert few.items() <= many.items()
    assert sum(name.startswith("train/") for name in many) == 8


def test_a_picture_has_a_bright_shape_on_a_dark_ground(tmp_path: Path) -> None:
    made(tmp_path, 3)
    for path in tmp_path.rglob("*.png"):
        pixels = np.asarray(Image.open(path))
        assert pixels.shape == (32, 32, 3)
        assert 0.02 < (pixels.max(2) > 125).mean() < 0.35


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file: cannot be made: File exists"):
        made(tmp_path / "file", 1)

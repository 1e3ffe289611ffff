"""Pictures of folders and vectors of files: what is read, how they are cut to size, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from attncli.config.tasks.autoencoding import PictureData, PictureSet, VectorData, VectorSet
from attncli.errors import DataError
from attncli.sources.rows.examples import Examples, in_part, read_images, read_vectors

PIXELS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def save(path: Path, pixels: np.ndarray = PIXELS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def pictures(root: Path, *, listed: str | None = None, part: Any = "all", **changes: Any) -> Examples:
    found = PictureSet(folder="pictures", list=listed, part=part)
    data = PictureData(root=str(root), cache=str(root / "cache"), train=found, dev=found, **changes)
    return read_images(data, found)


def vectors(root: Path, name: str, size: int, part: Any = "all") -> Examples:
    found = VectorSet(file=name, part=part)
    data = VectorData(root=str(root), cache=str(root / "cache"), size=size, train=found, dev=found)
    return read_vectors(data, found)


def test_a_picture_is_a_row_channel_by_channel(tmp_path: Path) -> None:
    save(tmp_path / "pictures" / "a.png")
    examples = pictures(tmp_path, height=4, width=6, colour=True)
    expected = torch.tensor(PIXELS.transpose(2, 0, 1).reshape(1, -1)).float() / 255
    assert torch.equal(examples.rows(slice(None)), expected)
    assert (len(examples), examples.size) == (1, 72)


def test_a_pixel_is_the_mean_of_what_it_covers(tmp_path: Path) -> None:
    grey = (10 * np.arange(24, dtype=np.uint8)).reshape(4, 6)
    save(tmp_path / "pictures" / "a.png", grey)
    found = pictures(tmp_path, height=2, width=3).values[0]
    means = [grey[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean() for y in range(2) for x in range(3)]
    assert np.abs(found - np.array(means)).max() <= 0.5


def test_a_picture_is_upright_as_its_exif_says(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: a quarter to the right makes it upright
    Image.fromarray(PIXELS).save(tmp_path / "pictures" / "a.png", exif=exif)
    found = pictures(tmp_path, height=6, width=4, colour=True).values[0]
    assert np.array_equal(found.reshape(3, 6, 4).transpose(1, 2, 0), np.rot90(PIXELS, -1))


def test_folders_are_searched_and_other_files_left_alone(tmp_path: Path) -> None:
    for name in ("b.PNG", "a/c.bmp", "a/b.jpg"):
        save(tmp_path / "pictures" / name)
    (tmp_path / "pictures" / "notes.txt").write_text("no picture")
    assert pictures(tmp_path).names == ("a/b.jpg", "a/c.bmp", "b.PNG")


def test_a_list_chooses_pictures_in_its_order(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        save(tmp_path / "pictures" / name)
    (tmp_path / "list.txt").write_text("c.png\na.png\n\n")
    assert pictures(tmp_path, listed="list.txt").names == ("c.png", "a.png")
    (tmp_path / "list.txt").write_text("c.png\nd.png\n")
    with pytest.raises(DataError) as error:
        pictures(tmp_path, listed="list.txt")
    assert str(error.value) == (
        f"{tmp_path}/list.txt:2: names 'd.png', but there is no such file in {tmp_path}/pictures"
    )


def test_parts_are_disjoint_and_make_up_the_whole() -> None:
    names = [f"{number}.png" for number in range(2000)]
    parts: dict[Any, set[str]] = {
        part: {name for name in names if in_part(name, part)} for part in ("train", "dev", "test", "all")
    }
    assert parts["train"] | parts["dev"] | parts["test"] == parts["all"] == set(names)
    assert len(parts["train"]) + len(parts["dev"]) + len(parts["test"]) == 2000
    assert 1500 < len(parts["train"]) < 1700
    assert 150 < len(parts["dev"]) < 250


def test_pictures_are_decoded_once_until_one_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "pictures" / "a.png")
    first = pictures(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("attncli.sources.rows.examples.read_image", None)
        assert np.array_equal(pictures(tmp_path).values, first.values)
    save(tmp_path / "pictures" / "a.png", PIXELS[::-1].copy())
    assert not np.array_equal(pictures(tmp_path).values, first.values)
    assert pictures(tmp_path, height=8, width=8).size == 64


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    save(tmp_path / "pictures" / "a.png")
    first = pictures(tmp_path).values.copy()
    [cached] = (tmp_path / "cache" / "examples").glob("*/values")
    cached.write_bytes(bytes(len(cached.read_bytes())))
    assert np.array_equal(pictures(tmp_path).values, first)


def test_every_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    save(tmp_path / "pictures" / "good.png", np.random.default_rng(1).integers(256, size=(40, 30), dtype=np.uint8))
    (tmp_path / "pictures" / "bad.png").write_text("text")
    content = (tmp_path / "pictures" / "good.png").read_bytes()
    (tmp_path / "pictures" / "cut.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError) as error:
        pictures(tmp_path)
    bad, cut, advice = str(error.value).splitlines()
    assert bad == f"{tmp_path}/pictures/bad.png: not an image of a known kind"
    assert cut.startswith(f"{tmp_path}/pictures/cut.png: a damaged image: ")
    assert advice == "mend or remove these files, or name the images to use with `list`"


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="pictures: no such folder"):
        pictures(tmp_path)
    (tmp_path / "pictures").mkdir()
    with pytest.raises(DataError, match=r"pictures: no images; known suffixes are \.bmp, "):
        pictures(tmp_path)
    save(tmp_path / "pictures" / "1.png")
    parts: list[Any] = [part for part in ("train", "dev", "test") if not in_part("1.png", part)]
    with pytest.raises(DataError, match=f"pictures: no images of the part '{parts[0]}'"):
        pictures(tmp_path, part=parts[0])


def test_the_mean_is_that_of_all_rows(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(7, 3)).astype(np.float32)
    examples = Examples(rows, tuple("abcdefg"))
    torch.testing.assert_close(examples.mean(), torch.tensor(rows.mean(0)))
    assert [len(chunk) for chunk in examples.chunks(3)] == [3, 3, 1]


@pytest.mark.parametrize("header", ["", "x,y,z\n"])
def test_vectors_of_a_table_are_read_with_and_without_header(tmp_path: Path, header: str) -> None:
    text = header + "1,2.5,-3\n4e-1,5,6\n"
    (tmp_path / "a.csv").write_text(text)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("a.csv", "a.csv.gz"):
        expected = np.array([[1, 2.5, -3], [0.4, 5, 6]], np.float32)
        assert np.array_equal(vectors(tmp_path, name, 3).values, expected)


@pytest.mark.parametrize("kind", ["float32", "float64", "int16"])
def test_vectors_of_an_array_are_read(tmp_path: Path, kind: str) -> None:
    rows = np.arange(10).reshape(5, 2).astype(kind)
    np.save(tmp_path / "a.npy", rows)
    assert np.array_equal(vectors(tmp_path, "a.npy", 2).values, rows)
    assert vectors(tmp_path, "a.npy", 2).names == ("1", "2", "3", "4", "5")
    kept = [row for row in range(5) if in_part(str(row + 1), "train")]
    assert np.array_equal(vectors(tmp_path, "a.npy", 2, part="train").values, rows[kept])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "1,2\n3,x\n", "a.csv:2: not a vector of numbers: could not convert string to float: 'x'"),
        ("a.csv", "1,2\n3\n", "a.csv:2: 1 component, but data.size is 2"),
        ("a.csv", "x,y\n", "a.csv: no vectors"),
        (
            "a.csv",
            "1,2\n3,1e39\n",
            "a.csv: row 2 has a component that is not a finite float32 number; remove such rows",
        ),
        ("a.csv", f"1,2\n3,{'4' * 200_000}\n", "a.csv:2: not CSV: field larger than field limit (131072)"),
        ("a.npy", "", "a.npy: not a .npy file of numbers"),
        ("a.csv", "1,2\n3,nan\n", "a.csv: row 2 has a component that is not a finite float32 number; remove such rows"),
        ("a.txt", "1,2\n", "a.txt: vectors come from .csv, .csv.gz or .npy files"),
        ("a.npy", "1,2\n", "a.npy: not a .npy file of numbers"),
        ("b.csv", None, "b.csv: no such file"),
    ],
)
def test_what_is_no_vector_is_refused(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError) as error:
        vectors(tmp_path, name, 2)
    assert str(error.value).startswith(f"{tmp_path}/{message}")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(4), r"a.npy: holds float64 of shape \[4\]; expected numbers with a vector a row"),
        (np.zeros((2, 3)), "a.npy: vectors of 3 components, but data.size is 2"),
        (np.array([["a", "b"]]), r"a.npy: holds <U1 of shape \[1, 2\]; expected numbers"),
        (np.array([[{}, 1]], dtype=object), "a.npy: not a .npy file of numbers: Array can't be memory-mapped"),
    ],
)
def test_arrays_of_another_form_are_refused(tmp_path: Path, values: np.ndarray, message: str) -> None:
    np.save(tmp_path / "a.npy", values, allow_pickle=True)
    with pytest.raises(DataError, match=message):
        vectors(tmp_path, "a.npy", 2)


@pytest.mark.parametrize("name", ["values", "examples.json"])
def test_no_flipped_bit_of_the_cache_goes_unnoticed(tmp_path: Path, name: str) -> None:
    for each in ("a.png", "b.png"):
        save(tmp_path / "pictures" / each)
    expected = pictures(tmp_path, height=2, width=3)
    values = expected.values.copy()
    [path] = (tmp_path / "cache" / "examples").glob(f"*/{name}")
    whole = path.read_bytes()
    for at in range(len(whole)):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << at % 8
        path.write_bytes(flipped)
        found = pictures(tmp_path, height=2, width=3)
        assert np.array_equal(found.values, values)
        assert found.names == expected.names


def test_several_arrays_in_one_file_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", np.zeros((2, 2)))
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    with pytest.raises(DataError, match=r"a\.npy: not a \.npy file of numbers: "):
        vectors(tmp_path, "a.npy", 2)


def test_names_of_a_list_stay_in_their_folder(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "secret.png")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "list").write_text(f"../secret.png\n{tmp_path}/secret.png\n{'x' * 300}.png\n")
    with pytest.raises(DataError) as error:
        pictures(tmp_path, listed="list")
    assert str(error.value).count("but there is no such file in") == 3


def test_a_folder_of_an_impossible_name_is_told(tmp_path: Path) -> None:
    found = PictureSet(folder="x" * 300)
    data = PictureData(root=str(tmp_path), cache=str(tmp_path / "cache"), train=found, dev=found)
    with pytest.raises(DataError, match=r"xxx: no such folder$"):
        read_images(data, found)

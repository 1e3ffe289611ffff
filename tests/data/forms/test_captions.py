"""Splits of captioned images: names joined with files and captions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from attncli.config.captions import CaptioningData
from attncli.data.forms.captions import CaptionedImages, read_split
from attncli.errors import DataError

TOKENS = "a.jpg#0\tA dog .\na.jpg#1\tA brown dog .\nb.jpg#0\tA cow .\nsub/c.png#0\tA cat .\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of three images, a file of their captions and a list."""
    for name in ("images/a.jpg", "images/b.jpg", "images/sub/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "tokens.txt").write_text(TOKENS)
    (tmp_path / "train.txt").write_text("b.jpg\n\na.jpg\nb.jpg\n")
    return tmp_path


def data(folder: Path, **fields: Any) -> CaptioningData:
    given = {"images": "images", "captions": "tokens.txt", "train": "train.txt", "dev": "train.txt", **fields}
    return CaptioningData.model_validate_json(json.dumps({"root": str(folder), **given}))


def train(data: CaptioningData) -> CaptionedImages:
    return read_split(data, data.train, key="train")


def found(data: CaptioningData) -> dict[str, tuple[str, ...]]:
    return {str(image.path.relative_to(data.root)): image.captions for image in train(data).images}


def failure(data: CaptioningData) -> str:
    with pytest.raises(DataError) as caught:
        train(data)
    return str(caught.value).replace(f"{data.root}/", "")


def test_a_list_names_the_images_in_its_order(folder: Path) -> None:
    split = train(data(folder))
    assert [image.path.name for image in split.images] == ["b.jpg", "a.jpg"]
    assert split.images[1].captions == ("A dog .", "A brown dog .")
    assert (len(split), split.captions, split.notes) == (2, 3, ())


def test_a_split_may_have_its_own_captions_and_images(folder: Path) -> None:
    (folder / "more").mkdir()
    (folder / "more" / "d.jpg").touch()
    (folder / "more" / "captions.txt").write_text("image,caption\nd.jpg,A horse .\n")
    own = {"captions": "more/captions.txt", "images": "more"}
    assert found(data(folder, train=own)) == {"more/d.jpg": ("A horse .",)}


def test_captions_txt_in_the_folder_is_the_default(folder: Path) -> None:
    (folder / "images" / "captions.txt").write_text("a.jpg\tA dog .\n")
    (folder / "one.txt").write_text("a.jpg\n")
    assert found(data(folder, captions=None, train="one.txt")) == {"images/a.jpg": ("A dog .",)}


def test_several_files_of_captions_are_joined(folder: Path) -> None:
    (folder / "names").write_text("a.jpg\nb.jpg\n")
    (folder / "german").write_text("Ein Hund.\nEine Kuh.\n")
    files = ["tokens.txt", {"file": "german", "image_names": "names"}]
    assert found(data(folder, captions=files)) == {
        "images/b.jpg": ("A cow .", "Eine Kuh."),
        "images/a.jpg": ("A dog .", "A brown dog .", "Ein Hund."),
    }


def test_a_file_may_say_of_which_split_its_images_are(folder: Path) -> None:
    rows = "image,caption,split\na.jpg,A dog,train\nb.jpg,A cow,val\nc.png,A cat,train\n"
    (folder / "x.csv").write_text(rows)
    assert found(data(folder, captions="x.csv", train={"split": "train"})) == {
        "images/a.jpg": ("A dog",),
        "images/sub/c.png": ("A cat",),
    }
    assert failure(data(folder, captions="x.csv", train={"split": "test"})) == (
        "x.csv: nothing is of the split 'test'; there are train, val"
    )
    assert failure(data(folder, train={"split": "test"})) == (
        "tokens.txt: nothing is of the split 'test'; no caption says of which split it is"
    )


def test_a_name_may_have_folders_that_are_not_there(folder: Path) -> None:
    (folder / "x.tsv").write_text("val2014/a.jpg\tA dog\nc.png\tA cat\n")
    assert list(found(data(folder, train={"captions": "x.tsv"}))) == ["images/a.jpg", "images/sub/c.png"]


def test_photographs_are_found_by_their_number(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1007129816_e794419615.jpg").touch()
    (tmp_path / "list").write_text("1007129816_e794419615.jpg\n")
    (tmp_path / "x.tsv").write_text("1007129816.jpg\tEin Mann\n")
    config = data(tmp_path, captions="x.tsv", train="list", match_names="flickr_id")
    assert found(config) == {"images/1007129816_e794419615.jpg": ("Ein Mann",)}
    assert "has no caption" in failure(config.model_copy(update={"match_names": "exact"}))


def test_what_is_missing_is_told_by_name_or_left_out_and_counted(folder: Path) -> None:
    (folder / "images" / "d.jpg").touch()
    (folder / "train.txt").write_text("a.jpg\nx.jpg\nd.jpg\ny.jpg\n")
    assert failure(data(folder)) == (
        "train.txt: there is no image 'x.jpg' in images\n"
        "train.txt: there is no image 'y.jpg' in images\n"
        "train.txt: 'd.jpg' has no caption\n"
        "mend these, or leave them out with data.missing: skip"
    )
    assert train(data(folder, missing="skip")).notes == (
        "train: left out 2 names without an image, such as x.jpg",
        "train: left out 1 name without a caption, such as d.jpg",
    )


@pytest.mark.parametrize("name", ["x" * 5000, "x" * 5000 + ".jpg", "../secret", "{root}/secret", "a\0b", "sub"])
def test_a_name_that_no_image_has_is_told(folder: Path, name: str) -> None:
    (folder / "secret").touch()
    name = name.format(root=folder)
    (folder / "x.jsonl").write_text(json.dumps({"image": name, "caption": "A dog"}) + "\n")
    with pytest.raises(DataError) as caught:
        train(data(folder, train={"captions": "x.jsonl"}))
    assert str(caught.value).startswith(f"{folder}/x.jsonl: there is no image {name!r} in {folder}/images\n")


def test_bad_captions_are_told_together_or_left_out_and_counted(folder: Path) -> None:
    with (folder / "tokens.txt").open("a") as file:
        file.write("a.jpg#2\t\nnothing\n")
    assert failure(data(folder)) == (
        "tokens.txt:5: the caption of a.jpg is empty\n"
        "tokens.txt:6: 'nothing': expected image.jpg#0, a tab and a caption\n"
        "mend these, or leave them out with data.bad_captions: skip"
    )
    assert train(data(folder, bad_captions="skip")).notes == ("train: left out 2 bad captions",)


def test_a_wrong_folder_list_or_split_is_told(folder: Path) -> None:
    assert failure(data(folder, images="pictures")) == "pictures: no folder; data.images names the folder of the images"
    assert failure(data(folder, images="x" * 300)).endswith(
        "xxx: no folder; data.images names the folder of the images"
    )
    (folder / "train.txt").write_text(TOKENS)
    assert failure(data(folder)) == "train.txt:1: 'a.jpg#0\\tA dog .': expected the name of one image a line"
    (folder / "train.txt").write_text("\n")
    assert failure(data(folder)) == "data.train: no image with a caption in images"
    with pytest.raises(ValidationError, match="does not say which images it has; give list, split or captions"):
        data(folder, train={"images": "more"})


@pytest.mark.shared_data
def test_the_official_splits_are_whole(shared_data: Path) -> None:
    lists = {name: f"Flickr_8k.{name}Images.txt" for name in ("train", "dev", "test")}
    splits = {"train": lists["train"], "dev": lists["dev"], "test": {"test": lists["test"]}}
    config = data(shared_data / "flickr8k", captions="Flickr8k.token.txt", **splits)
    sizes = {key: read_split(config, split, key=key) for key, split in config.splits()}
    assert {key: len(found) for key, found in sizes.items()} == {"train": 5801, "dev": 1000, "test.test": 1000}
    assert {found.captions / len(found) for found in sizes.values()} == {5.0}


@pytest.mark.shared_data
def test_german_sentences_find_the_same_photographs(shared_data: Path) -> None:
    parts = ("train", "val", "test_2016_flickr")
    config = data(
        shared_data,
        images="flickr8k/images",
        captions=[{"file": f"multi30k/{part}.de.gz", "image_names": f"multi30k/{part}.images.gz"} for part in parts],
        train="flickr8k/Flickr_8k.trainImages.txt",
        dev="flickr8k/Flickr_8k.devImages.txt",
        test={"test": "flickr8k/Flickr_8k.testImages.txt"},
        match_names="flickr_id",
        missing="skip",
    )
    # The counts of the folder's own README.
    sizes = {key: len(read_split(config, split, key=key)) for key, split in config.splits()}
    assert sizes == {"train": 5176 + 179 + 173, "dev": 867 + 31 + 36, "test.test": 871 + 28 + 30}

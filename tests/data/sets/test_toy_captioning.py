"""Toy pictures show what their captions say, where their boxes say."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from attncli.config.captions import CaptioningData
from attncli.data.forms.captions import read_split
from attncli.data.gold_places import read_gold_places
from attncli.data.sets.toy_captioning import ToyPictureSizes, describe, make_toy_captioning
from attncli.data.sets.toy_shapes import SIDE, ToyObject
from attncli.errors import DataError

SIZES = ToyPictureSizes(train=40, dev=5, test=9)
# Where each channel is high (1) or low (0) in a picture of that colour.
CHANNELS = {"red": "100", "green": "010", "blue": "001", "yellow": "110", "purple": "101", "black": "000"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy") / "new"
    make_toy_captioning(folder, SIZES, seed=3)
    return folder


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_reader_finds_the_splits(made: Path) -> None:
    splits = {name: {"split": name} for name in ("train", "dev", "test")}
    files = {"root": str(made), "images": "images", "captions": "captions.jsonl"}
    given = {**files, "train": splits["train"], "dev": splits["dev"], "test": {"test": splits["test"]}}
    data = CaptioningData.model_validate_json(json.dumps(given))
    found = {key: read_split(data, split, key=key) for key, split in data.splits()}
    assert {key: len(split) for key, split in found.items()} == {"train": 40, "dev": 5, "test.test": 9}
    assert {len(picture.captions) for picture in found["train"].images} == {1, 2}


def test_pictures_have_one_to_three_objects_equally_often(made: Path) -> None:
    counts = Counter(len(line["objects"]) for line in lines(made / "objects.jsonl") if "test" in line["image"])
    assert counts == {1: 3, 2: 3, 3: 3}


def test_words_of_colour_and_shape_mean_one_object(made: Path) -> None:
    for line in lines(made / "objects.jsonl"):
        words = [word for each in line["objects"] for word in each["words"][1:]]
        assert len(set(words)) == len(words)


def test_captions_name_the_objects_and_nothing_else(made: Path) -> None:
    objects = {line["image"]: line["objects"] for line in lines(made / "objects.jsonl")}
    relations = {"left", "right", "of", "above", "below", "a"}
    for line in lines(made / "captions.jsonl"):
        named = sorted(word for each in objects[line["image"]] for word in each["words"])
        for caption in line["captions"]:
            assert sorted(word for word in caption.split() if word not in relations) == named


def test_the_boxes_hold_the_colours_that_the_words_say(made: Path) -> None:
    for line in lines(made / "objects.jsonl"):
        with Image.open(made / "images" / line["image"]) as image:
            pixels = np.asarray(image).astype(int)
        assert pixels.shape == (SIDE, SIDE, 3)
        outside = np.ones((SIDE, SIDE), bool)
        for each in line["objects"]:
            left, top, right, bottom = each["box"]
            middle = pixels[round((top + bottom) / 2), round((left + right) / 2)]
            high = "".join(str(int(value > 115)) for value in middle)
            assert high == CHANNELS[each["words"][1]], (line["image"], each, middle)
            outside[int(top) - 1 : int(bottom) + 2, int(left) - 1 : int(right) + 2] = False  # edges are smooth
        # What lies in no box is the plain background.
        assert len(np.unique(pixels[outside])) == 1


@pytest.mark.parametrize("split", ["dev", "test"])
def test_gold_places_are_the_boxes_of_what_the_first_caption_names(made: Path, split: str) -> None:
    captions = {line["image"]: line["captions"][0] for line in lines(made / "captions.jsonl") if line["split"] == split}
    objects = {line["image"]: line["objects"] for line in lines(made / "objects.jsonl")}
    places = read_gold_places(
        made / f"places-{split}.jsonl", sources=list(captions), targets=list(captions.values()), noun="image"
    )
    for (image, caption), found in zip(captions.items(), places, strict=True):
        named = [([caption.split()[word] for word in place.words], place.box) for place in found]
        expected = {tuple(each["words"]): np.array(each["box"]) / SIDE for each in objects[image]}
        assert [tuple(words) for words, _ in named] == sorted(
            expected, key=lambda words: caption.index(" ".join(words))
        )
        for words, box in named:
            assert box == pytest.approx(expected[tuple(words)], abs=0.05 / SIDE + 1e-4)


def test_relations_are_said_both_ways() -> None:
    red = ToyObject("small", "red", "circle", 10, 30, 6)
    blue = ToyObject("large", "blue", "star", 50, 25, 11)
    black = ToyObject("small", "black", "cross", 55, 60, 5)
    assert describe([blue, red]) == [
        "a small red circle left of a large blue star",
        "a large blue star right of a small red circle",
    ]
    assert describe([black, blue, red])[0] == ("a small red circle left of a large blue star above a small black cross")
    assert describe([black, blue])[1] == "a small black cross below a large blue star"
    assert describe([red]) == ["a small red circle"]


def test_a_box_is_as_wide_as_its_outline() -> None:
    assert ToyObject("small", "red", "circle", 10, 30, 6).box == pytest.approx((4, 24, 16, 36))
    assert ToyObject("large", "red", "cross", 20, 30, 9).box == pytest.approx((11, 21, 29, 39))
    side = 6 / 2**0.5
    assert ToyObject("small", "red", "square", 10, 30, 6).box == pytest.approx(
        (10 - side, 30 - side, 10 + side, 30 + side)
    )


def test_the_seed_gives_the_files(made: Path, tmp_path: Path) -> None:
    for seed in (3, 4):
        make_toy_captioning(tmp_path / str(seed), SIZES, seed=seed)
    for name in ("captions.jsonl", "objects.jsonl", "images/test-00002.png"):
        assert (
            (tmp_path / "3" / name).read_bytes() == (made / name).read_bytes() != (tmp_path / "4" / name).read_bytes()
        )


def test_more_training_pictures_leave_the_test_as_it_is(made: Path, tmp_path: Path) -> None:
    make_toy_captioning(tmp_path / "more", ToyPictureSizes(train=50, dev=5, test=9), seed=3)
    assert lines(tmp_path / "more" / "captions.jsonl")[:54] == lines(made / "captions.jsonl")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=rf"^{tmp_path}/file: cannot be made: "):
        make_toy_captioning(tmp_path / "file", SIZES, seed=1)

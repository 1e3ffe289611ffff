"""Captions in every format that they are published in, and what a person is told of a wrong file."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from attncli.config.captions import CaptionFile
from attncli.data.forms.caption_files import FORMATS, BadCaption, Caption, read_captions, recognised
from attncli.errors import DataError

PAIRS = [("a.jpg", "A dog runs."), ("a.jpg", "A dog, running"), ("b.jpg", 'The "cow" sleeps.')]

COCO = {
    "images": [{"id": 7, "file_name": "a.jpg"}, {"id": "x", "file_name": "b.jpg"}],
    "annotations": [
        {"image_id": 7, "id": 1, "caption": "A dog runs."},
        {"image_id": 7, "id": 2, "caption": "A dog,\nrunning "},
        {"image_id": "x", "id": 3, "caption": 'The "cow" sleeps.'},
    ],
}
KARPATHY = {
    "dataset": "flickr8k",
    "images": [
        {"filename": "a.jpg", "split": "restval", "sentences": [{"raw": "A dog runs."}, {"raw": "A dog, running"}]},
        {"filename": "b.jpg", "split": "val", "sentences": [{"raw": 'The "cow" sleeps.', "tokens": ["the"]}]},
    ],
}
CSV = 'image,caption\na.jpg,A dog runs.\na.jpg,"A dog, running"\nb.jpg,"The ""cow"" sleeps."\n'
TOKENS = "".join(f"{image}#{at}\t{caption}\n" for at, (image, caption) in enumerate(PAIRS))
TSV = "".join(f"{image}\t{caption}\n" for image, caption in PAIRS)
JSONL = "".join(json.dumps({"image": image, "caption": caption}) + "\n" for image, caption in PAIRS)
FILES = {
    "flickr8k": ("Flickr8k.token.txt", TOKENS),
    "coco": ("captions_val2014.json", json.dumps(COCO)),
    "karpathy": ("dataset_flickr8k.json", json.dumps(KARPATHY)),
    "csv": ("captions.csv", CSV),
    "tsv": ("captions.tsv", TSV),
    "jsonl": ("captions.jsonl", JSONL),
    "lines": ("train.en", "".join(f"{caption}\n" for _, caption in PAIRS)),
}
EVERY_FORMAT = pytest.mark.parametrize("name", list(FORMATS))


def written(folder: Path, name: str, content: str | bytes, **fields: Any) -> CaptionFile:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    if "image_names" in fields:
        (folder / "names").write_text("".join(f"{image}\n" for image, _ in PAIRS))
    return CaptionFile(file=name, **fields)


def sample(folder: Path, name: str, **fields: Any) -> CaptionFile:
    if name == "lines":
        fields = {"image_names": "names", **fields}
    file, content = FILES[name]
    return written(folder, file, content, **fields)


def read(config: CaptionFile, folder: Path) -> list[tuple[str, str]]:
    found = list(read_captions(config, folder))
    assert all(isinstance(one, Caption) for one in found), found
    return [(one.image, one.text) for one in found if isinstance(one, Caption)]


def bad(config: CaptionFile, folder: Path) -> list[str]:
    found = list(read_captions(config, folder))
    return [f"{one.where}: {one.what}".replace(f"{folder}/", "") for one in found if isinstance(one, BadCaption)]


def failure(config: CaptionFile, folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        list(read_captions(config, folder))
    return str(caught.value).replace(f"{folder}/", "")


@EVERY_FORMAT
def test_every_format_is_read_and_recognised(tmp_path: Path, name: str) -> None:
    config = sample(tmp_path, name)
    assert recognised(tmp_path / config.file, config) == name
    assert read(config, tmp_path) == PAIRS
    assert read(config.model_copy(update={"format": name}), tmp_path) == PAIRS


@EVERY_FORMAT
def test_every_format_may_be_compressed(tmp_path: Path, name: str) -> None:
    plain = sample(tmp_path, name)
    compressed = plain.model_copy(update={"file": f"{plain.file}.gz"})
    (tmp_path / compressed.file).write_bytes(gzip.compress((tmp_path / plain.file).read_bytes()))
    assert read(compressed, tmp_path) == PAIRS


@pytest.mark.parametrize(("name", "content"), [("flickr8k", TOKENS), ("csv", CSV), ("tsv", TSV), ("jsonl", JSONL)])
def test_captions_txt_is_told_by_its_first_line(tmp_path: Path, name: str, content: str) -> None:
    config = written(tmp_path, "captions.txt", content)
    assert recognised(tmp_path / "captions.txt", config) == name
    assert read(config, tmp_path) == PAIRS


def test_columns_are_found_by_name_in_any_order(tmp_path: Path) -> None:
    rows = "n\tsplit\tText\tfile_name\n0\tval\tA dog runs.\ta.jpg\n"
    assert list(read_captions(written(tmp_path, "x.tsv", rows), tmp_path)) == [
        Caption("a.jpg", "A dog runs.", "val"),
    ]
    odd = "Bild,Satz,Teil\na.jpg,Ein Hund rennt.,dev\n"
    fields = {"image_field": "Bild", "caption_field": 2, "split_field": "Teil"}
    assert list(read_captions(written(tmp_path, "x.csv", odd, **fields), tmp_path)) == [
        Caption("a.jpg", "Ein Hund rennt.", "dev")
    ]


def test_json_lines_may_hold_several_captions_and_other_keys(tmp_path: Path) -> None:
    line = json.dumps({"Bild": "a.jpg", "captions": ["one", "two"], "split": "test"})
    config = written(tmp_path, "x.jsonl", line, image_field="Bild")
    assert list(read_captions(config, tmp_path)) == [Caption("a.jpg", text, "test") for text in ("one", "two")]


def test_a_caption_of_several_lines_becomes_one(tmp_path: Path) -> None:
    config = written(tmp_path, "x.csv", 'image,caption\na.jpg,"A dog\n  runs ."\nb.jpg,A cow\n')
    assert read(config, tmp_path) == [("a.jpg", "A dog runs ."), ("b.jpg", "A cow")]


def test_karpathys_splits_and_folders_are_told(tmp_path: Path) -> None:
    assert [one.split for one in read_captions(sample(tmp_path, "karpathy"), tmp_path) if isinstance(one, Caption)] == [
        "train",
        "train",
        "val",
    ]
    image = {"filename": "a.jpg", "filepath": "val2014", "split": "test", "sentences": [{"raw": "A dog"}]}
    config = written(tmp_path, "coco.json", json.dumps({"images": [image]}))
    assert list(read_captions(config, tmp_path)) == [Caption("val2014/a.jpg", "A dog", "test")]


def test_the_number_of_a_coco_caption_is_no_part_of_the_name(tmp_path: Path) -> None:
    config = sample(tmp_path, "lines")
    (tmp_path / "names").write_text("x.jpg#367178\ny.jpg\nz.jpg\n")
    assert [image for image, _ in read(config, tmp_path)] == ["x.jpg", "y.jpg", "z.jpg"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (
            "x.token.txt",
            "a.jpg#0\tA dog\na.jpg A dog\n\nb.jpg#1\t \n",
            [
                "x.token.txt:2: 'a.jpg A dog': expected image.jpg#0, a tab and a caption",
                "x.token.txt:3: empty line; expected image.jpg#0, a tab and a caption",
                "x.token.txt:4: the caption of b.jpg is empty",
            ],
        ),
        (
            "x.tsv",
            "a.jpg\tA dog\nb.jpg\n\tA cow\n",
            [
                "x.tsv:2: 1 column, but column 2 is needed",
                'x.tsv:3: the name of the image should be text, but is ""',
            ],
        ),
        ("x.csv", "image,caption\na.jpg,\n\n", ["x.csv:2: the caption of a.jpg is empty", "x.csv:3: empty line"]),
        (
            "x.jsonl",
            '{"image": "a.jpg", "capton": "A dog"}\n[]\n{\n\n{"image": 3, "caption": "x"}\n{"image": "a", "text": 4}\n'
            + "[" * 100_000
            + '\n{"image": "a", "text": "\\ud800"}\n{"image": "a", "text": "x", "split": {}}\n',
            [
                "x.jsonl:1: no key for the caption (one of caption, captions, text, sentence) among image, capton; "
                "did you mean 'capton'?",
                'x.jsonl:2: not a JSON object such as {"image": "a.jpg", "caption": "..."}',
                "x.jsonl:3: not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
                "x.jsonl:4: empty line; expected a JSON object",
                "x.jsonl:5: the name of the image should be text, but is 3",
                "x.jsonl:6: the caption of a should be text, but is 4",
                "x.jsonl:7: not JSON: nested too deeply",
                "x.jsonl:8: the caption of a holds half of a surrogate pair; not text",
                "x.jsonl:9: the split of a should be text, but is an object",
            ],
        ),
        (
            "x.json",
            json.dumps(
                {
                    "images": [{"id": 1}, {"id": [2], "file_name": "a"}, {"id": 3, "file_name": {}}],
                    "annotations": [
                        {"caption": "x"},
                        {"image_id": 1, "caption": "x"},
                        {"image_id": [2], "caption": "x"},
                        {"image_id": 3, "caption": "x"},
                    ],
                }
            ),
            [
                "x.json: images[0]: needs an id, a number or text, and a file_name",
                "x.json: images[1]: needs an id, a number or text, and a file_name",
                "x.json: annotations[0]: needs an image_id, a number or text, and a caption",
                "x.json: annotations[1]: image_id 1 is none of the images",
                "x.json: annotations[2]: needs an image_id, a number or text, and a caption",
                "x.json: annotations[3]: the name of the image should be text, but is an object",
            ],
        ),
        (
            "x.json",
            json.dumps(
                {
                    "images": [
                        {"filename": "a", "sentences": [{"tokens": []}]},
                        {"sentences": [{"raw": "x"}]},
                        {"filename": "a"},
                        {"filename": ["a"], "filepath": "b", "sentences": [{"raw": "x"}]},
                        {"filename": "a", "split": ["train"], "sentences": [{"raw": "x"}]},
                    ]
                }
            ),
            [
                "x.json: images[0].sentences[0]: the caption of a should be text, but is null",
                "x.json: images[1].sentences[0]: the name of the image should be text, but is null",
                "x.json: images[2]: needs a filename and a list of sentences",
                "x.json: images[3].sentences[0]: the name of the image should be text, but is a list",
                "x.json: images[4].sentences[0]: the split of a should be text, but is a list",
            ],
        ),
    ],
    ids=["flickr8k", "tsv", "csv", "jsonl", "coco", "karpathy"],
)
def test_each_place_that_holds_no_caption_is_told(tmp_path: Path, name: str, content: str, expected: list[str]) -> None:
    assert bad(written(tmp_path, name, content), tmp_path) == expected


@pytest.mark.parametrize("name", ["flickr8k", "jsonl", "lines"])
def test_bytes_that_are_no_text_are_told_with_their_line(tmp_path: Path, name: str) -> None:
    config = sample(tmp_path, name)
    with (tmp_path / config.file).open("ab") as file:
        file.write(b"a.jpg#4\tA d\xffg\n")
    if name == "lines":
        with (tmp_path / "names").open("a") as names:
            names.write("c.jpg\n")
    assert bad(config, tmp_path) == [f"{config.file}:4: not UTF-8: byte 0xff at position 12"]


@pytest.mark.parametrize(
    ("name", "content", "fields", "expected"),
    [
        (
            "x.txt",
            "A dog runs.\n",
            {},
            "x.txt:1: 'A dog runs.' begins no known format; expected image.jpg#0, a tab and a caption, or CSV, TSV or "
            "JSON; name the format with 'format': flickr8k, coco, karpathy, csv, tsv, jsonl, lines",
        ),
        ("x.json", "{\n 3}", {}, "x.json:2: not JSON: Expecting property name enclosed in double quotes at column 2"),
        (
            "x.json",
            "[]",
            {},
            "x.json: neither COCO's captions (keys images and annotations) nor Karpathy's (images with sentences)",
        ),
        ("x.json", "[" * 100_000, {}, "x.json: not JSON: nested too deeply"),
        ("x.json", '{"images": NaN}', {}, "x.json: not JSON: NaN is not a finite number"),
        ("x.json", b'\n{"\xff', {}, "x.json:2: not UTF-8: byte 0xff"),
        ("x.json", "{\0", {}, "x.json: a binary file, not text: byte 2 is 0x00"),
        (
            "x.csv",
            f"image,caption\na.jpg,{'x' * 200_000}\n",
            {},
            "x.csv:2: not CSV: field larger than field limit (131072)",
        ),
        ("x.json", json.dumps(COCO), {"format": "karpathy"}, "x.json: has the format coco, not karpathy"),
        ("x.csv", 'image,caption\na.jpg,"A dog', {}, "x.csv:2: not CSV: unexpected end of data"),
        (
            "x.tsv",
            "image\ttext\n",
            {"image_field": "images"},
            "x.tsv:1: unknown column 'images'; did you mean 'image'? choose from image, text",
        ),
        ("x.tsv", TSV, {"image_field": 0}, "x.tsv: there is no column 0; the first is 1"),
    ],
)
def test_a_file_of_another_kind_is_refused(
    tmp_path: Path, name: str, content: str | bytes, fields: dict[str, Any], expected: str
) -> None:
    assert failure(written(tmp_path, name, content, **fields), tmp_path) == expected


def test_a_missing_or_damaged_file_is_named(tmp_path: Path) -> None:
    assert failure(CaptionFile(file="x.json"), tmp_path) == "x.json: no such file"
    assert failure(CaptionFile(file="x.csv"), tmp_path) == "x.csv: no such file"
    config = written(tmp_path, "x.json.gz", gzip.compress(b"{}")[:-4])
    assert failure(config, tmp_path).startswith("x.json.gz: damaged or not gzip: ")


def test_lines_and_names_must_match(tmp_path: Path) -> None:
    config = sample(tmp_path, "lines")
    (tmp_path / "names").write_text("a.jpg\n")
    assert failure(config, tmp_path) == (
        "train.en has 3 lines, but names has 1; line n of one must name the image of line n of the other"
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"format": "lines"}, "format: lines needs image_names, the file that names the images line by line"),
        ({"format": "csv", "image_names": "n"}, "image_names belongs to format: lines, but format is csv; remove it"),
    ],
)
def test_names_belong_to_lines(fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        CaptionFile(file="x", **fields)


@pytest.mark.shared_data
def test_real_captions_are_read(shared_data: Path) -> None:
    flickr = read(CaptionFile(file="Flickr8k.token.txt"), shared_data / "flickr8k")
    assert len(flickr) == 39_455
    assert flickr[1] == ("1000268201_693b08cb0e.jpg", "A girl going into a wooden building .")
    german = CaptionFile(file="val.de.gz", image_names="val.images.gz")
    found = read(german, shared_data / "multi30k")
    assert len(found) == 1014
    assert found[0] == ("1018148011.jpg", "Eine Gruppe von Männern lädt Baumwolle auf einen Lastwagen")

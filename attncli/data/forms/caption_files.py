"""Captions of images, in the formats in which they are published.

Each format is a function from a file to its captions, in their order. A record that is not a caption comes as a
`BadCaption`, so that one run reports all of them; what makes the whole file useless raises a DataError.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from attncli.config.captions import CaptionFile
from attncli.data.forms.text import problem_of
from attncli.errors import DataError, counted, nearest, unknown
from attncli.files.reading import count_lines, not_utf8, raw_lines, read_lines, read_text
from attncli.files.untrusted import parse_json, shown_json

IMAGE_FIELDS = ("image", "image_name", "file_name", "filename", "file", "path")
CAPTION_FIELDS = ("caption", "captions", "text", "sentence")
_Id = int | float | str  # what JSON may give as an id
_TOKEN_LINE = re.compile(r"(?P<image>[^\t]+)#[0-9]+\t(?P<caption>.*)")


class Caption(NamedTuple):
    """A caption of an image."""

    image: str  # the name, as in the file
    text: str  # each run of white space as one space
    split: str | None  # the split that the file puts the image in


class BadCaption(NamedTuple):
    """A place in a file where a caption was expected, and what is wrong there."""

    where: str
    what: str


Found = Caption | BadCaption


@dataclass(frozen=True)
class _Source:
    """A file of captions: where it is, and how the configuration describes it."""

    path: Path
    config: CaptionFile
    root: Path

    def place(self, line: int) -> str:
        return f"{self.path}:{line}"


def read_captions(config: CaptionFile, root: Path) -> Iterator[Found]:
    """Yield the captions of a file, whose path is relative to `root`, in their order."""
    source = _Source(root / config.file, config, root)
    return FORMATS[config.format or recognised(source.path, config)](source)


def recognised(path: Path, config: CaptionFile) -> str:
    """Return the format of `path`, recognised by its suffix or else by its first line."""
    if config.image_names is not None:
        return "lines"
    suffix = Path(path.name.removesuffix(".gz")).suffix
    if suffix == ".json":
        return _kind_of_json(path, _json(path))
    if suffix in (".csv", ".tsv", ".jsonl"):
        return suffix[1:]
    first = next(iter(read_lines(path)), "")
    if _TOKEN_LINE.fullmatch(first):
        return "flickr8k"
    if first.startswith("{"):
        return "jsonl"
    for name, separator in (("tsv", "\t"), ("csv", ",")):
        if separator in first:
            return name
    raise DataError(
        f"{path}:1: {_quoted(first)} begins no known format; expected image.jpg#0, a tab and a caption, or CSV, TSV or "
        f"JSON; name the format with 'format': {', '.join(FORMATS)}"
    )


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _caption(where: str, image: object, text: object, split: object = None) -> Found:
    if not isinstance(image, str) or not image.strip():
        return BadCaption(where, f"the name of the image should be text, but is {shown_json(image)}")
    if not isinstance(text, str):
        return BadCaption(where, f"the caption of {image} should be text, but is {shown_json(text)}")
    if problem := problem_of(text):
        return BadCaption(where, f"the caption of {image} {problem}")
    if not text.strip():
        return BadCaption(where, f"the caption of {image} is empty")
    if not isinstance(split, str | None):
        return BadCaption(where, f"the split of {image} should be text, but is {shown_json(split)}")
    return Caption(image.strip(), " ".join(text.split()), split)


# Lines


def _decoded(source: _Source, path: Path | None = None) -> Iterator[tuple[int, str | BadCaption]]:
    for number, raw in enumerate(raw_lines(path or source.path), start=1):
        try:
            yield number, raw.decode()
        except UnicodeDecodeError as error:
            yield number, BadCaption(f"{path or source.path}:{number}", not_utf8(error))


def _flickr8k(source: _Source) -> Iterator[Found]:
    for number, line in _decoded(source):
        if isinstance(line, BadCaption):
            yield line
        elif match := _TOKEN_LINE.fullmatch(line):
            yield _caption(source.place(number), match["image"], match["caption"])
        else:
            expected = "expected image.jpg#0, a tab and a caption"
            yield BadCaption(
                source.place(number), f"{_quoted(line)}: {expected}" if line else f"empty line; {expected}"
            )


def _lines(source: _Source) -> Iterator[Found]:
    """Yield captions with the names of another file, line by line."""
    assert source.config.image_names is not None, "the config asks for it"
    names = source.root / source.config.image_names
    for (number, text), (line, image) in zip_longest(_decoded(source), _decoded(source, names), fillvalue=(0, "")):
        if not number or not line:
            raise DataError(
                f"{source.path} has {counted(count_lines(source.path), 'line')}, but {names} has {count_lines(names)}; "
                "line n of one must name the image of line n of the other"
            )
        if isinstance(text, BadCaption) or isinstance(image, BadCaption):
            yield from (bad for bad in (text, image) if isinstance(bad, BadCaption))
        else:
            # Multi30k names the caption of a COCO image too: COCO_val2014_000000398076.jpg#657409.
            yield _caption(source.place(number), image.split("#")[0], text)


# Tables


def _csv(source: _Source) -> Iterator[Found]:
    # The line ends are put back, since the csv module joins the lines that a quoted field spans.
    reader = csv.reader((f"{line}\n" for line in read_lines(source.path)), strict=True)
    try:
        yield from _table(source, ((reader.line_num, row) for row in reader))
    except csv.Error as error:
        raise DataError(f"{source.place(reader.line_num)}: not CSV: {error}") from None


def _tsv(source: _Source) -> Iterator[Found]:
    return _table(source, ((number, line.split("\t")) for number, line in enumerate(read_lines(source.path), start=1)))


@dataclass(frozen=True)
class _Columns:
    """The columns of a table, counted from 0."""

    image: int
    caption: int
    split: int | None
    needed: int


def _table(source: _Source, rows: Iterator[tuple[int, list[str]]]) -> Iterator[Found]:
    first = next(rows, None)
    if first is None:
        return
    columns, has_header = _columns(source, [cell.strip() for cell in first[1]])
    if not has_header:
        yield _row(source, columns, *first)
    for number, row in rows:
        yield _row(source, columns, number, row)


def _row(source: _Source, columns: _Columns, number: int, row: list[str]) -> Found:
    if len(row) < columns.needed:
        what = f"{counted(len(row), 'column')}, but column {columns.needed} is needed" if row else "empty line"
        return BadCaption(source.place(number), what)
    split = None if columns.split is None else row[columns.split]
    return _caption(source.place(number), row[columns.image], row[columns.caption], split)


def _columns(source: _Source, first: list[str]) -> tuple[_Columns, bool]:
    """Return the columns of a table whose first row is `first`, and whether that is a header."""
    config = source.config
    named = [
        field for field in (config.image_field, config.caption_field, config.split_field) if isinstance(field, str)
    ]
    has_header = bool(named) or (_known(first, IMAGE_FIELDS) is not None and _known(first, CAPTION_FIELDS) is not None)
    image = _column(source, config.image_field, first, has_header, IMAGE_FIELDS, default=0)
    caption = _column(source, config.caption_field, first, has_header, CAPTION_FIELDS, default=1)
    split: int | None = None
    if config.split_field is not None or (has_header and "split" in first):
        split = _column(source, config.split_field, first, has_header, ("split",), default=2)
    return _Columns(image, caption, split, max(image, caption, split or 0) + 1), has_header


def _known(cells: Sequence[str], names: Sequence[str]) -> int | None:
    """Return the index in `cells` of the first of `names` that is among them, ignoring case."""
    lower = [cell.lower() for cell in cells]
    return next((lower.index(name) for name in names if name in lower), None)


def _column(
    source: _Source, field: str | int | None, first: list[str], has_header: bool, names: Sequence[str], default: int
) -> int:
    if isinstance(field, int):
        if field < 1:
            raise DataError(f"{source.path}: there is no column {field}; the first is 1")
        return field - 1
    if isinstance(field, str):
        if field not in first:
            raise DataError(f"{source.place(1)}: {unknown('column', field, first)}")
        return first.index(field)
    found = _known(first, names) if has_header else None
    return default if found is None else found


# JSON


def _jsonl(source: _Source) -> Iterator[Found]:
    for number, line in _decoded(source):
        where = source.place(number)
        if isinstance(line, BadCaption):
            yield line
            continue
        try:
            record = parse_json(line)
        except ValueError as error:
            yield BadCaption(where, f"not JSON: {error}" if line.strip() else "empty line; expected a JSON object")
            continue
        if isinstance(record, dict):
            yield from _record(source, where, record)
        else:
            yield BadCaption(where, 'not a JSON object such as {"image": "a.jpg", "caption": "..."}')


def _record(source: _Source, where: str, record: dict[str, Any]) -> Iterator[Found]:
    config = source.config
    image = _key(record, config.image_field, IMAGE_FIELDS)
    caption = _key(record, config.caption_field, CAPTION_FIELDS)
    for what, key, names in (("image", image, IMAGE_FIELDS), ("caption", caption, CAPTION_FIELDS)):
        if key not in record:
            wanted = f"key {key!r}" if key else f"key for the {what} (one of {', '.join(names)})"
            near = nearest(key or names[0], record)
            hint = f"; did you mean {near!r}?" if near else ""
            yield BadCaption(where, f"no {wanted} among {', '.join(record) or 'no keys'}{hint}")
            return
    split = record.get(str(config.split_field or "split"))
    texts = record[str(caption)]
    for text in texts if isinstance(texts, list) else [texts]:
        yield _caption(where, record[str(image)], text, split)


def _key(record: dict[str, Any], field: str | int | None, names: Sequence[str]) -> str | None:
    return str(field) if field is not None else next((name for name in names if name in record), None)


def _json(path: Path) -> Any:
    try:
        return parse_json(read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: not JSON: {error.msg} at column {error.colno}") from None
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}") from None


def _kind_of_json(path: Path, content: Any) -> str:
    if isinstance(content, dict) and isinstance(content.get("images"), list):
        if isinstance(content.get("annotations"), list):
            return "coco"
        if any(isinstance(image, dict) and "sentences" in image for image in content["images"]):
            return "karpathy"
    raise DataError(
        f"{path}: neither COCO's captions (keys images and annotations) nor Karpathy's (images with sentences)"
    )


def _coco(source: _Source) -> Iterator[Found]:
    """Yield the captions of COCO's JSON: images with ids, and annotations that refer to the ids.

    Chen et al. 2015, "Microsoft COCO captions".
    """
    content = _whole(source, "coco")
    names: dict[Any, Any] = {}
    for at, image in enumerate(content["images"]):
        if not isinstance(image, dict) or not isinstance(image.get("id"), _Id) or "file_name" not in image:
            yield BadCaption(f"{source.path}: images[{at}]", "needs an id, a number or text, and a file_name")
        else:
            names[image["id"]] = image["file_name"]
    for at, annotation in enumerate(content["annotations"]):
        where = f"{source.path}: annotations[{at}]"
        if not isinstance(annotation, dict) or not isinstance(annotation.get("image_id"), _Id):
            yield BadCaption(where, "needs an image_id, a number or text, and a caption")
        elif annotation["image_id"] not in names:
            yield BadCaption(where, f"image_id {shown_json(annotation['image_id'])} is none of the images")
        else:
            yield _caption(where, names[annotation["image_id"]], annotation.get("caption"))


def _karpathy(source: _Source) -> Iterator[Found]:
    """Yield the captions of Karpathy and Fei-Fei's JSON (2015): images with their split and raw sentences."""
    for at, image in enumerate(_whole(source, "karpathy")["images"]):
        where = f"{source.path}: images[{at}]"
        if not isinstance(image, dict) or not isinstance(image.get("sentences"), list):
            yield BadCaption(where, "needs a filename and a list of sentences")
            continue
        name, folder = image.get("filename"), image.get("filepath")
        if isinstance(name, str) and isinstance(folder, str):
            # COCO's images lie in one folder per year, which the file names apart.
            name = f"{folder}/{name}"
        # "restval" are the validation images of COCO that Karpathy's split trains on.
        split = "train" if image.get("split") == "restval" else image.get("split")
        for number, sentence in enumerate(image["sentences"]):
            text = sentence.get("raw") if isinstance(sentence, dict) else None
            yield _caption(f"{where}.sentences[{number}]", name, text, split)


def _whole(source: _Source, expected: str) -> Any:
    content = _json(source.path)
    found = _kind_of_json(source.path, content)
    if found != expected:
        raise DataError(f"{source.path}: has the format {found}, not {expected}")
    return content


FORMATS: dict[str, Callable[[_Source], Iterator[Found]]] = {
    "flickr8k": _flickr8k,
    "coco": _coco,
    "karpathy": _karpathy,
    "csv": _csv,
    "tsv": _tsv,
    "jsonl": _jsonl,
    "lines": _lines,
}

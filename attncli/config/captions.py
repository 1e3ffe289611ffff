"""The data of captioning: images, captions and their splits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from attncli.config.data import GoldPlaces
from attncli.config.quantities import ColumnNumber, PathText, SetName
from attncli.config.section import MAY_CHANGE, DataSection, Section

CaptionFormat = Literal["flickr8k", "coco", "karpathy", "csv", "tsv", "jsonl", "lines"]


class CaptionFile(Section):
    """A file of captions."""

    file: PathText
    """The file, with or without `.gz`."""
    format: CaptionFormat | None = None
    """`flickr8k` (`image.jpg#0`, a tab, the caption), `coco` or `karpathy` (JSON), `csv`, `tsv`, `jsonl`, or `lines`
    (one caption per line, with `image_names`). By default it is detected from the file."""
    image_names: PathText | None = None
    """For `lines`: the file whose line n names the image of caption n."""
    image_field: str | ColumnNumber | None = None
    """The column of image names in `csv` and `tsv` (a name, or a number from 1), or the key in `jsonl`. By default the
    one called `image`, `image_name`, `file_name`, `filename`, `file` or `path`, or the first column."""
    caption_field: str | ColumnNumber | None = None
    """The same for the caption; by default `caption`, `captions`, `text` or `sentence`, or the second column."""
    split_field: str | ColumnNumber | None = None
    """The same for the name of the split; by default `split`."""

    @model_validator(mode="after")
    def _lines_have_names(self) -> CaptionFile:
        if (self.format == "lines") != (self.image_names is not None) and self.format is not None:
            raise ValueError(
                "format: lines needs image_names, the file that names the images line by line"
                if self.format == "lines"
                else f"image_names belongs to format: lines, but format is {self.format}; remove it"
            )
        return self


def _as_files(value: Any) -> Any:
    found = value if isinstance(value, (list, tuple)) else [value]
    # A tuple, since strict reading takes no list from a validator, though it does from JSON.
    return tuple({"file": one} if isinstance(one, str) else one for one in found)


def _as_split(value: Any) -> Any:
    return {"list": value} if isinstance(value, str) else value


CaptionFiles = Annotated[
    tuple[CaptionFile, ...],
    BeforeValidator(_as_files, json_schema_input_type=str | CaptionFile | tuple[str | CaptionFile, ...]),
    Field(min_length=1),
]


class CaptionSplit(Section):
    """Which of the images belong to a split. A plain name is that of a `list`."""

    list: PathText | None = None
    """A file with one image name per line."""
    split: str | None = None
    """The name of the split in the caption file, such as `train`, `val` or `test` in Karpathy's JSON."""
    captions: CaptionFiles | None = None
    """Caption files of this split, instead of `data.captions`."""
    images: PathText | None = None
    """Image folder of this split, instead of `data.images`."""

    @model_validator(mode="after")
    def _says_which(self) -> CaptionSplit:
        if self.list is None and self.split is None and self.captions is None:
            raise ValueError("does not say which images it has; give list, split or captions")
        return self


class CaptionTest(CaptionSplit, GoldPlaces):
    """A test set. A plain name is that of a `list`."""


Split = Annotated[CaptionSplit, BeforeValidator(_as_split, json_schema_input_type=str | CaptionSplit)]
Test = Annotated[CaptionTest, BeforeValidator(_as_split, json_schema_input_type=str | CaptionTest)]


class CaptioningData(DataSection):
    """Images with captions for training, validation and test."""

    bad_sources_key: ClassVar[str] = "bad_pictures"
    """The key that says what to do about a training source that cannot be read."""

    root: Annotated[PathText, MAY_CHANGE] = "."
    """Folder to which the other paths are relative; itself relative to the current directory."""
    images: PathText
    """Folder of the images."""
    captions: CaptionFiles | None = None
    """One or more caption files: Flickr8k's token file, COCO's or Karpathy's JSON, CSV, TSV or JSON Lines. By default
    `captions.txt` in the image folder."""
    train: Split
    """The training images: a file of names, or keys."""
    dev: Split
    """The dev images, which select the checkpoint; never trained on."""
    test: Annotated[dict[SetName, Test], MAY_CHANGE] = Field(default={})
    """Named test sets, read only by `eval`."""
    match_names: Literal["exact", "flickr_id"] = "exact"
    """How names are matched to image files: exactly, or by the number before `_` or `.`, so that Multi30k's
    `1007129816.jpg` matches Flickr8k's `1007129816_e794419615.jpg`."""
    bad_captions: Literal["error", "skip"] = "error"
    """What to do about a caption that is empty or not UTF-8: stop and report its file and line, or skip it and report
    how many were skipped."""
    missing: Literal["error", "skip"] = "error"
    """What to do about a name without an image, or a listed image without a caption: stop, or skip it and report how
    many were skipped."""
    bad_pictures: Literal["error", "skip"] = "error"
    """What to do about a training image that cannot be read: stop, or skip it and report how many were skipped."""
    cache: Annotated[PathText | None, MAY_CHANGE] = None
    """Cache for image features; by default `attncli` in the user's cache folder."""

    def splits(self) -> Iterator[tuple[str, CaptionSplit]]:
        """Yield every split with its key below `data`."""
        yield "train", self.train
        yield "dev", self.dev
        yield from ((f"test.{name}", split) for name, split in self.test.items())

    def files(self, split: CaptionSplit) -> tuple[CaptionFile, ...]:
        """Return the caption files of `split`."""
        folder = self.images if split.images is None else split.images
        return split.captions or self.captions or (CaptionFile(file=f"{folder}/captions.txt"),)

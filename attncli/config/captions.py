"""Where images and their captions are, and which are for training, validation and test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from attncli.config.section import Section

CaptionFormat = Literal["flickr8k", "coco", "karpathy", "csv", "tsv", "jsonl", "lines"]


class CaptionFile(Section):
    """A file of captions."""

    file: str
    """The file, with or without `.gz`."""
    format: CaptionFormat | None = None
    """`flickr8k` (`image.jpg#0`, a tab, the caption), `coco` or `karpathy` (JSON), `csv`, `tsv`, `jsonl`, or `lines`
    (a caption a line, with `image_names`). By default it is told from the file."""
    image_names: str | None = None
    """For `lines`: the file whose line n names the image of caption n."""
    image_field: str | int | None = None
    """Of `csv` and `tsv` the column of image names, by its name or number from 1, of `jsonl` the key. By default
    what is called `image`, `image_name`, `file_name`, `filename`, `file` or `path`, or the first column."""
    caption_field: str | int | None = None
    """The same of the captions; by default `caption`, `captions`, `text` or `sentence`, or the second column."""
    split_field: str | int | None = None
    """The same of the name of the split; by default `split`."""

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

    list: str | None = None
    """A file that names the images, one a line."""
    split: str | None = None
    """What the file of captions says of its images, such as `train`, `val` or `test` in Karpathy's JSON."""
    captions: CaptionFiles | None = None
    """The split's own files of captions, instead of `data.captions`."""
    images: str | None = None
    """The split's own folder of images, instead of `data.images`."""

    @model_validator(mode="after")
    def _says_which(self) -> CaptionSplit:
        if self.list is None and self.split is None and self.captions is None:
            raise ValueError("says nothing of which images it has; give list, split or captions")
        return self


Split = Annotated[CaptionSplit, BeforeValidator(_as_split, json_schema_input_type=str | CaptionSplit)]


class CaptioningData(Section):
    """Images with captions for training, validation and test."""

    root: str = "."
    """Folder that the other paths start from; itself taken from the current directory."""
    images: str
    """Folder of the images."""
    captions: CaptionFiles | None = None
    """File or files of captions: Flickr8k's token file, COCO's or Karpathy's JSON, CSV, TSV or JSON Lines. By default
    `captions.txt` in the folder of the images."""
    train: Split
    """The images to learn from: a file of names, or keys."""
    dev: Split
    """The images that choose the checkpoint; never trained on."""
    test: dict[str, Split] = Field(default={})
    """Named test sets, which only `eval` reads."""
    match_names: Literal["exact", "flickr_id"] = "exact"
    """How a name finds its image: as it is, or by the number before `_` or `.`, so that Multi30k's `1007129816.jpg`
    finds Flickr8k's `1007129816_e794419615.jpg`."""
    bad_captions: Literal["error", "skip"] = "error"
    """What to do about an empty caption or one that is not UTF-8: stop with its file and line, or leave it out and say
    how many."""
    missing: Literal["error", "skip"] = "error"
    """What to do about a name without an image, or an image of a list without a caption: stop, or leave it out and
    say how many."""
    bad_pictures: Literal["error", "skip"] = "error"
    """What to do about a training image that cannot be read: stop, or leave it out and say how many."""
    cache: str | None = None
    """Folder for features, encoded captions and tokenizers; by default `attncli` in the user's cache folder."""

    def splits(self) -> Iterator[tuple[str, CaptionSplit]]:
        """Yield every split with its key."""
        yield "train", self.train
        yield "dev", self.dev
        yield from ((f"test.{name}", split) for name, split in self.test.items())

    def files(self, split: CaptionSplit) -> tuple[CaptionFile, ...]:
        """Return the files of the captions of `split`."""
        folder = self.images if split.images is None else split.images
        return split.captions or self.captions or (CaptionFile(file=f"{folder}/captions.txt"),)

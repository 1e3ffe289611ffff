"""Everything that training a captioner needs of its data: pictures, encoded captions and the dev references.

N captions, B captions of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from attncli.config.captions import CaptionSplit
from attncli.config.pictures import Augmentation, Preprocessing
from attncli.config.tasks.captioning import CaptioningConfig
from attncli.data.batch import Tokens, pad_tokens
from attncli.data.corpus import EncodedSide
from attncli.data.forms.captions import CaptionedPicture, read_split
from attncli.errors import DataError
from attncli.files import Problems, counted
from attncli.sources.images.batch import Features, Pictures, stack_pictures
from attncli.sources.images.features import StoredFeatures
from attncli.sources.images.files import read_picture
from attncli.sources.images.placement import place, place_at_random
from attncli.text.tokenizer import EOS, Tokenizer, Tokenizers, train_tokenizers

Array = npt.NDArray[Any]
Source = Pictures | Features
AnyBatch = TypeVar("AnyBatch", bound="CaptionBatch | PictureBatch")


@dataclass(frozen=True)
class CaptionBatch:
    """Captions with their pictures, row by row."""

    source: Source
    target: Tokens
    size: int  # real tokens, the end symbols counted

    @property
    def terms(self) -> int:
        """What the loss is divided by."""
        return self.size

    def to(self, device: torch.device) -> CaptionBatch:
        """Return the same on `device`."""
        return CaptionBatch(self.source.to(device), self.target.to(device), self.size)


@dataclass(frozen=True)
class PictureBatch:
    """Pictures for which captions are drawn."""

    source: Source
    pictures: tuple[int, ...]  # their numbers in the corpus
    size: int  # captions that are drawn for all of them

    @property
    def terms(self) -> int:
        """What the loss is divided by."""
        return self.size

    def to(self, device: torch.device) -> PictureBatch:
        """Return the same on `device`."""
        return PictureBatch(self.source.to(device), self.pictures, self.size)


@dataclass(frozen=True)
class CaptionCorpus:
    """The captions of a split as token ids, each with the number of its picture."""

    pictures: tuple[CaptionedPicture, ...]
    captions: EncodedSide
    picture_of: Array  # [N]

    def __len__(self) -> int:
        return len(self.picture_of)

    @property
    def source_lengths(self) -> Array:
        """[N] ones: of pictures none is longer than another."""
        return np.ones(len(self), np.int32)

    @property
    def target_lengths(self) -> Array:
        """[N] int32, the end symbol counted."""
        return self.captions.lengths

    @property
    def paths(self) -> list[Path]:
        """The files of the pictures."""
        return [picture.path for picture in self.pictures]

    @property
    def first_captions(self) -> Array:
        """The number of the first caption of each picture."""
        return np.searchsorted(self.picture_of, np.arange(len(self.pictures)))

    @property
    def references(self) -> list[list[str | None]]:
        """For each set of references one a picture, None where a picture has fewer captions."""
        return reference_sets([picture.captions for picture in self.pictures])

    def batch(self, indices: Array, source: Source) -> CaptionBatch:
        """Return the captions `indices` [B] with `source`, their pictures."""
        target = pad_tokens([self.captions.row(int(at)) for at in indices])
        return CaptionBatch(source, target, int(target.lengths.sum()))


def reference_sets(captions: Sequence[Sequence[str]]) -> list[list[str | None]]:
    """Return `captions` of pictures as sets of references, with None where a picture has fewer than others."""
    most = max(map(len, captions))
    return [[texts[at] if at < len(texts) else None for texts in captions] for at in range(most)]


@dataclass(frozen=True)
class CaptioningCorpora:
    """Pictures and captions as a captioner is trained on them."""

    tokenizers: Tokenizers
    train: CaptionCorpus
    dev: CaptionCorpus
    notes: tuple[str, ...]  # what a person should know: sizes, and what was left out and why


def prepare_captioning(config: CaptioningConfig, tokenizers: Tokenizers | None = None) -> CaptioningCorpora:
    """Return the corpora of `config`, encoded with `tokenizers` or with one trained on its training captions.

    Raises DataError for captions that cannot be used, and for pictures that are not there.
    """
    data, notes = config.data, []
    found: dict[str, tuple[CaptionedPicture, ...]] = {}
    splits: dict[str, CaptionSplit] = {"train": data.train, "dev": data.dev}
    for key, split in splits.items():
        read = read_split(data, split, key=key)
        notes += list(read.notes)
        found[key] = read.pictures
    if tokenizers is None:
        texts = [text for picture in found["train"] for text in picture.captions]
        tokenizers = train_tokenizers(config.tokenizer.model_copy(update={"shared": True}), texts, ())
    notes.insert(0, f"tokenizer: {tokenizers.target.kind}, {tokenizers.target.size:,} entries")
    corpora = {key: encoded(pictures, tokenizers.target) for key, pictures in found.items()}
    for key, corpus in corpora.items():
        tokens = len(corpus.captions.tokens)
        notes.append(
            f"{key}: {counted(len(corpus.pictures), 'picture')}, {counted(len(corpus), 'caption')}, {tokens:,} tokens"
        )
    return CaptioningCorpora(tokenizers, corpora["train"], corpora["dev"], tuple(notes))


def encoded(pictures: Sequence[CaptionedPicture], tokenizer: Tokenizer) -> CaptionCorpus:
    """Return the captions of `pictures` as token ids."""
    rows = [[*row, EOS] for row in tokenizer.encode_all([text for picture in pictures for text in picture.captions])]
    offsets = np.cumsum([0, *map(len, rows)])
    tokens = np.fromiter((token for row in rows for token in row), np.uint32, int(offsets[-1]))
    picture_of = np.repeat(np.arange(len(pictures)), [len(picture.captions) for picture in pictures])
    return CaptionCorpus(tuple(pictures), EncodedSide(tokens, offsets), picture_of)


def without_bad_pictures(corpus: CaptionCorpus, bad: set[Path], tokenizer: Tokenizer) -> CaptionCorpus:
    """Return `corpus` without the pictures of the files `bad`."""
    if not bad:
        return corpus
    return encoded([picture for picture in corpus.pictures if picture.path not in bad], tokenizer)


def bad_pictures(paths: Sequence[Path], read: Callable[[Path], object], *, workers: int) -> dict[Path, str]:
    """Return, of the files `paths`, those that `read` refuses, with what it says of them."""
    with ThreadPoolExecutor(max(1, workers)) as pool:
        answers = pool.map(partial(_problem_of, read), paths)
        return {path: problem for path, problem in zip(paths, answers, strict=True) if problem is not None}


def _problem_of(read: Callable[[Path], object], path: Path) -> str | None:
    try:
        read(path)
    except DataError as error:
        return str(error)
    return None


def raise_bad_pictures(problems: dict[Path, str], advice: str) -> None:
    """Raise one DataError with all `problems`, if there are any."""
    collected = Problems()
    for problem in problems.values():
        collected.add(problem)
    collected.raise_if_any(advice)


def square(path: Path, preprocessing: Preprocessing) -> Array:
    """Return the picture in `path` as an encoder reads it [size, size, 3]."""
    picture = read_picture(path, shorter_side=preprocessing.shorter_side)
    return place(picture.size, preprocessing).apply(picture)


def mirror(square: Array) -> Array:
    """Return the square [H, W, 3] with left and right exchanged."""
    return np.ascontiguousarray(square[:, ::-1])


def varied_square(path: Path, preprocessing: Preprocessing, augmentation: Augmentation, seed: Sequence[int]) -> Array:
    """Return a training picture, varied by what `seed` decides."""
    if augmentation.changes_nothing:
        return square(path, preprocessing)
    picture = read_picture(path, shorter_side=round(preprocessing.shorter_side / augmentation.smallest_crop))
    drawn = place_at_random(picture.size, preprocessing, augmentation, np.random.default_rng(list(seed)))
    return drawn.apply(picture)


class Reader(Protocol):
    """Gives the pictures of a batch of captions."""

    def start(self, indices: Array) -> Callable[[], Source]:
        """Begin to read the pictures of the captions `indices`; what is returned waits for them."""


@dataclass(frozen=True)
class FeatureReader:
    """Takes features that were computed earlier."""

    corpus: CaptionCorpus
    features: StoredFeatures  # of corpus.pictures

    def start(self, indices: Array) -> Callable[[], Source]:
        """Return what reads the features of the captions `indices`."""
        return lambda: self.features.batch(self.corpus.picture_of[indices])


@dataclass(frozen=True)
class MirroringFeatureReader:
    """Takes features that were computed earlier, of every other picture those of its mirror image."""

    plain: FeatureReader
    mirrored: StoredFeatures  # of the same pictures
    seed: Sequence[int]  # which captions see a mirrored picture

    def start(self, indices: Array) -> Callable[[], Source]:
        """Return what reads the features of the captions `indices`."""
        return lambda: self._read(indices)

    def _read(self, indices: Array) -> Source:
        read = self.plain.start(indices)()
        assert isinstance(read, Features)
        drawn = [np.random.default_rng([*self.seed, int(caption)]).random() < 0.5 for caption in indices]
        rows = np.flatnonzero(drawn)
        others = self.mirrored.batch(self.plain.corpus.picture_of[indices[rows]])
        read.regions[rows], read.pooled[rows] = others.regions, others.pooled
        return read


@dataclass(frozen=True)
class PixelReader:
    """Reads pictures from their files, on threads of `pool` if there is one: decoding them leaves Python's lock."""

    corpus: CaptionCorpus
    read: Callable[[Path, int], Array]  # takes a file and the number of the caption
    pool: ThreadPoolExecutor | None

    def start(self, indices: Array) -> Callable[[], Source]:
        """Begin to read the pictures of the captions `indices`."""
        wanted = [(self.corpus.pictures[self.corpus.picture_of[at]].path, int(at)) for at in indices]
        if self.pool is None:
            return lambda: stack_pictures([self.read(path, at) for path, at in wanted])
        waiting: list[Future[Array]] = [self.pool.submit(self.read, path, at) for path, at in wanted]
        return lambda: stack_pictures([each.result() for each in waiting])


class CaptionBatches(Sequence[AnyBatch]):
    """The batches of an epoch; the pictures of the next ones are read while one is worked on.

    `make` gives the batch of the captions [B] of a row with their pictures.
    """

    def __init__(self, rows: Sequence[Array], reader: Reader, make: Callable[[Array, Source], AnyBatch], *, ahead: int):
        self.rows, self.reader, self.make, self.ahead = rows, reader, make, ahead
        self._started: dict[int, Callable[[], Source]] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> AnyBatch:  # type: ignore[override]
        for at in range(index, min(index + 1 + self.ahead, len(self.rows))):
            if at not in self._started:
                self._started[at] = self.reader.start(self.rows[at])
        return self.make(self.rows[index], self._started.pop(index)())

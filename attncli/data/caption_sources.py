"""The corpora of a captioner together with what reads their pictures, whether from files or from stored features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy.typing as npt

from attncli.config.tasks.captioning import CaptioningConfig
from attncli.data.captioning import (
    AnyBatch,
    CaptionBatches,
    CaptionCorpus,
    CaptioningCorpora,
    FeatureReader,
    MirroringFeatureReader,
    PixelReader,
    Reader,
    Source,
    square,
    varied_square,
)
from attncli.sources.images.features import StoredFeatures

Array = npt.NDArray[Any]
Split = Literal["train", "dev"]
_AHEAD = 4  # batches whose pictures are read while one is worked on


@dataclass(frozen=True)
class CaptioningSources:
    """The corpora of `config` with what reads their pictures."""

    config: CaptioningConfig
    corpora: CaptioningCorpora
    features: dict[str, StoredFeatures]  # of the splits' pictures, where the encoder is fixed
    mirrored: StoredFeatures | None  # of the training pictures' mirror images, where those are trained on too
    notes: tuple[str, ...]  # what a person should know of the data

    def corpus(self, split: Split) -> CaptionCorpus:
        """Return the corpus of `split`."""
        return self.corpora.train if split == "train" else self.corpora.dev

    def reader(self, split: Split, *, epoch: int | None = None) -> Reader:
        """Return what reads pictures of `split`, with the variations of training in `epoch` where one is given."""
        corpus = self.corpus(split)
        if split in self.features:
            plain = FeatureReader(corpus, self.features[split])
            if self.mirrored is None or epoch is None:
                return plain
            return MirroringFeatureReader(plain, self.mirrored, (self.config.training.seed, epoch))
        return PixelReader(corpus, self._plain if epoch is None else partial(self._varied, epoch), self._pool)

    def batches(
        self,
        rows: Sequence[Array],
        make: Callable[[Array, Source], AnyBatch],
        *,
        split: Split,
        epoch: int | None = None,
    ) -> CaptionBatches[AnyBatch]:
        """Return what `make` makes of the captions `rows`, a batch each, and their pictures as `reader` reads them."""
        ahead = _AHEAD if self._pool else 0
        return CaptionBatches(rows, self.reader(split, epoch=epoch), make, ahead=ahead)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor | None:
        workers = self.config.training.workers
        return ThreadPoolExecutor(workers) if workers and not self.features else None

    def _varied(self, epoch: int, path: Path, caption: int) -> Any:
        training = self.config.training
        seed = (training.seed, epoch, caption)
        return varied_square(path, self.config.model.encoder.preprocessing, training.augmentation, seed)

    def _plain(self, path: Path, caption: int) -> Any:
        return square(path, self.config.model.encoder.preprocessing)

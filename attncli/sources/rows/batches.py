"""The data that an autoencoder is trained on, and how it is batched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from attncli.config.tasks.autoencoding import AutoencodingConfig, PictureData, PictureSet, VectorSet
from attncli.errors import counted
from attncli.sources.rows.examples import Examples, read_images, read_vectors

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ExampleBatch:
    """Examples that are their own target."""

    rows: Tensor  # [B, D] float32

    @property
    def size(self) -> int:
        """B."""
        return len(self.rows)

    @property
    def terms(self) -> int:
        """The number of components, over which the loss is summed."""
        return self.rows.numel()

    def to(self, device: torch.device) -> ExampleBatch:
        """Return the same on `device`."""
        return ExampleBatch(self.rows.to(device, non_blocking=True))


@dataclass(frozen=True)
class EpochExamples(Sequence[Any]):
    """The batches of an epoch, made on demand."""

    examples: Examples
    indices: Sequence[Array]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:  # type: ignore[override]
        rows = self.indices[index]
        return ExampleBatch(self.examples.rows(rows)) if len(rows) else None

    def dealt(self, rank: int, count: int) -> EpochExamples:
        """Return the same batches with every `count`-th of their examples, from the one at `rank`; or None for none."""
        return EpochExamples(self.examples, [of_batch[rank::count] for of_batch in self.indices])


def epoch_examples(examples: Examples, *, batch_size: int, seed: int, epoch: int) -> EpochExamples:
    """Return the batches of one epoch: every example once, in an order that depends only on `seed` and `epoch`."""
    order = np.random.default_rng([seed, epoch]).permutation(len(examples))
    return EpochExamples(examples, [order[start : start + batch_size] for start in range(0, len(order), batch_size)])


def read_examples(config: AutoencodingConfig, found: PictureSet | VectorSet) -> Examples:
    """Return the examples of `found`, one of the sets that `config.data` names."""
    if isinstance(config.data, PictureData):
        assert isinstance(found, PictureSet)
        return read_images(config.data, found)
    assert isinstance(found, VectorSet)
    return read_vectors(config.data, found)


@dataclass(frozen=True)
class AutoencodingData:
    """The examples that an autoencoder is trained and validated on."""

    train: Examples
    dev: Examples
    notes: tuple[str, ...]  # for people: the sizes, and warnings


def prepare_autoencoding(config: AutoencodingConfig) -> AutoencodingData:
    """Return the examples of `config`; images are decoded once and then read from a cache."""
    train, dev = read_examples(config, config.data.train), read_examples(config, config.data.dev)
    notes = [
        f"{name}: {counted(len(examples), config.data.kind.removesuffix('s'))} of {examples.size:,} components"
        for name, examples in (("train", train), ("dev", dev))
    ]
    return AutoencodingData(train, dev, (*notes, *(f"warning: {text}" for text in config.warnings())))

"""Autoencoding as the training loop sees it: batches, a squared error, and validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from attncli.config.tasks.autoencoding import AutoencodingConfig, PictureData
from attncli.losses import SummedLoss, squared_error
from attncli.machine.processes import in_order
from attncli.machine.progress import progress
from attncli.models.autoencoder import Autoencoder, build_autoencoder
from attncli.models.corruption import build_corruption
from attncli.runs.folder import WEIGHTS, RunFolder
from attncli.runs.run import check_sizes
from attncli.sources.rows.batches import (
    AutoencodingData,
    EpochExamples,
    ExampleBatch,
    epoch_examples,
    prepare_autoencoding,
)
from attncli.tasks.fingerprints import data_fingerprints

_DEV_ROWS = 1024  # of the dev set, computed at once
DevPart = Mapping[str, Sequence[tuple[float, int]]]
"""The sums of errors of chunks of the dev set, with the components they are summed over, by the name of the score."""


class AutoencodingTask:
    """An autoencoder with the examples it is trained and validated on."""

    def __init__(self, config: AutoencodingConfig, data: AutoencodingData, model: Autoencoder):
        self.config, self.data, self.model = config, data, model
        corruption = config.training.corruption
        self._corrupt = None if corruption is None else build_corruption(corruption)

    @property
    def unit(self) -> str:
        """What the size of a batch counts: "pictures" or "vectors"."""
        return self.config.data.kind

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about the data."""
        return self.data.notes

    @property
    def examples(self) -> str:
        """How many examples are trained on."""
        return f"{len(self.data.train):,} training {self.unit}"

    @property
    def metadata(self) -> dict[str, Any]:
        """Nothing beyond what every run has."""
        return {}

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """What the data are known by, by their places."""
        data, sources = self.config.data, {}
        if isinstance(data, PictureData):
            for key, examples, split in (("train", self.data.train, data.train), ("dev", self.data.dev, data.dev)):
                sources[key] = [Path(data.root) / split.folder / name for name in examples.names]
        return data_fingerprints(self.config, sources)

    def save(self, folder: Path) -> None:
        """Do nothing: a trained autoencoder needs nothing but its weights."""

    def epoch(self, number: int) -> EpochExamples:
        """Return the batches of epoch `number`, which depend on the seed and the number alone."""
        training = self.config.training
        return epoch_examples(self.data.train, batch_size=training.batch_size, seed=training.seed, epoch=number)

    def largest_batch(self) -> tuple[ExampleBatch, str]:
        """Return the first batch, which no other exceeds, and its size in words."""
        batch = self.epoch(1)[0]
        return batch, f"{batch.size} {self.unit}"

    def loss(self, batch: ExampleBatch) -> SummedLoss:
        """Return the squared error of `batch`, from newly corrupted input if the configuration asks for corruption."""
        # From PyTorch's global generators: their states are saved, so a resumed run draws the same noise.
        source = batch.rows if self._corrupt is None else self._corrupt(batch.rows, None)
        return squared_error(self.model(source), batch.rows)

    @torch.inference_mode()
    def dev_part(self, rank: int, count: int) -> DevPart:
        """Return the squared errors of every `count`-th chunk of the dev set, from clean and from corrupted input."""
        kinds = {"loss": False, **({} if self._corrupt is None else {"corrupted_loss": True})}
        return {name: self._dev_losses(rank, count, corrupted=corrupted) for name, corrupted in kinds.items()}

    def dev_scores(self, parts: Sequence[DevPart]) -> dict[str, float]:
        """Return the mean squared error per component from clean input, and from corrupted where it is trained on."""
        scores = {}
        for name in parts[0]:
            losses = in_order([part[name] for part in parts])
            scores[name] = sum(total for total, _ in losses) / sum(terms for _, terms in losses)
        return scores

    def _dev_losses(self, rank: int, count: int, *, corrupted: bool) -> list[tuple[float, int]]:
        device = self.model.device
        # The same noise at every validation, so that scores differ through the weights alone.
        generator = torch.Generator(device).manual_seed(self.config.training.seed)
        found = []
        with progress(len(self.data.dev), self.unit, what="dev") as advance:
            for place, chunk in enumerate(self.data.dev.chunks(_DEV_ROWS)):
                rows = chunk.to(device)
                # Also for the chunks of others, or the noise of its own would be that of theirs.
                source = self._corrupt(rows, generator) if corrupted and self._corrupt is not None else rows
                if place % count == rank:
                    loss = squared_error(self.model(source), rows)
                    found.append((float(loss.reported), loss.terms))
                advance(len(rows))
        return found


def open_autoencoding(config: AutoencodingConfig, device: torch.device, run: Path | None = None) -> AutoencodingTask:
    """Return the task of `config`, with a model initialised from the configuration's seed.

    Raises a RunError where the model is not of the sizes of the weights in `run`, if it has any.
    """
    if run is not None and RunFolder(run).has_checkpoint("last"):
        check_sizes(lambda: build_autoencoder(config), RunFolder(run).saved_file("last", WEIGHTS))
    data = prepare_autoencoding(config)
    torch.manual_seed(config.training.seed)
    model = build_autoencoder(config)
    model.mean.copy_(data.train.mean())
    return AutoencodingTask(config, data, model.to(device))

"""The task of autoencoding, as the training loop sees it: batches, a squared error, and a validation of both kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from attncli.config.tasks.autoencoding import AutoencodingConfig
from attncli.losses import SummedLoss, squared_error
from attncli.models.autoencoder import Autoencoder, build_autoencoder
from attncli.models.corruption import build_corruption
from attncli.sources.rows.batches import (
    AutoencodingData,
    EpochExamples,
    ExampleBatch,
    epoch_examples,
    prepare_autoencoding,
)

_DEV_ROWS = 1024  # of the dev set, computed together


class AutoencodingTask:
    """A model, the examples it learns from and is validated on, and what is minimised."""

    def __init__(self, config: AutoencodingConfig, data: AutoencodingData, model: Autoencoder):
        self.config, self.data, self.model = config, data, model
        corruption = config.training.corruption
        self._corrupt = None if corruption is None else build_corruption(corruption)

    @property
    def unit(self) -> str:
        """Pictures or vectors."""
        return self.config.data.kind

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the data."""
        return self.data.notes

    @property
    def examples(self) -> str:
        """How many examples are trained on."""
        return f"{len(self.data.train):,} training {self.unit}"

    @property
    def metadata(self) -> dict[str, Any]:
        """Nothing besides what is said of every run."""
        return {}

    def save(self, folder: Path) -> None:
        """Do nothing: a trained autoencoder is its weights."""

    def epoch(self, number: int) -> EpochExamples:
        """Return the batches of epoch `number`, which the seed and the number alone decide."""
        training = self.config.training
        return epoch_examples(self.data.train, batch_size=training.batch_size, seed=training.seed, epoch=number)

    def largest_batch(self) -> tuple[ExampleBatch, str]:
        """Return the first batch, which none exceeds, and its examples in words."""
        batch = self.epoch(1)[0]
        return batch, f"{batch.size} {self.unit}"

    def loss(self, batch: ExampleBatch) -> SummedLoss:
        """Return the squared error of `batch`, from input that is corrupted anew if the configuration says so."""
        # Torch's own generators: their states are saved, so that a resumed run sees the noise it would have seen.
        source = batch.rows if self._corrupt is None else self._corrupt(batch.rows, None)
        return squared_error(self.model(source), batch.rows)

    @torch.inference_mode()
    def validate(self) -> dict[str, float]:
        """Return the mean squared error a component from clean input, and from corrupted where that is trained on."""
        scores = {"loss": self._dev_loss(corrupted=False)}
        if self._corrupt is not None:
            scores["corrupted_loss"] = self._dev_loss(corrupted=True)
        return scores

    def _dev_loss(self, *, corrupted: bool) -> float:
        device = self.model.device
        # The same noise at every validation, so that these differ by the weights alone.
        generator = torch.Generator(device).manual_seed(self.config.training.seed)
        total, terms = 0.0, 0
        for chunk in self.data.dev.chunks(_DEV_ROWS):
            rows = chunk.to(device)
            source = self._corrupt(rows, generator) if corrupted and self._corrupt is not None else rows
            loss = squared_error(self.model(source), rows)
            total, terms = total + float(loss.reported), terms + loss.terms
        return total / terms


def open_autoencoding(config: AutoencodingConfig, device: torch.device) -> AutoencodingTask:
    """Return the task of `config`, with a model whose weights the configuration's seed decides."""
    data = prepare_autoencoding(config)
    torch.manual_seed(config.training.seed)
    model = build_autoencoder(config)
    model.mean.copy_(data.train.mean())
    return AutoencodingTask(config, data, model.to(device))

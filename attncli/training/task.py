"""What the training loop asks of a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import torch
from torch import nn

from attncli.losses import SummedLoss

AnyBatch = TypeVar("AnyBatch", bound="CountedBatch")


class CountedBatch(Protocol):
    """A batch that knows how many tokens it has, padding left out."""

    @property
    def source_tokens(self) -> int:
        """Real source tokens, for the speed that is reported."""

    @property
    def target_tokens(self) -> int:
        """Real target tokens, which the loss is divided by."""

    def to(self: AnyBatch, device: torch.device) -> AnyBatch:
        """Return the same on `device`."""


class Task(Protocol):
    """What is trained."""

    @property
    def model(self) -> nn.Module:
        """The model, on its device."""

    def epoch(self, number: int) -> Sequence[Any]:
        """Return the batches (`CountedBatch`) of pass `number`, from 1: always the same, each made when asked for."""

    # Any, since a task takes its own kind of batch only.
    def loss(self, batch: Any) -> SummedLoss:
        """Return the loss of `batch`, which `epoch` gave."""

    def validate(self) -> Mapping[str, float]:
        """Return scores of the dev set: "loss", the mean negative log-likelihood a token in nats, and others."""

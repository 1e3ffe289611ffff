"""What the training loop asks of a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import nn

from attncli.losses import SummedLoss

AnyBatch = TypeVar("AnyBatch", bound="CountedBatch")


class CountedBatch(Protocol):
    """A batch that knows its size without padding."""

    @property
    def size(self) -> int:
        """What the reported speed counts, in the task's `unit`."""

    @property
    def terms(self) -> int:
        """What the loss is divided by: `SummedLoss.terms` of this batch."""

    def to(self: AnyBatch, device: torch.device) -> AnyBatch:
        """Return the same on `device`."""


@runtime_checkable
class FollowsUpdates(Protocol):
    """A module of the model with values that follow training besides its weights, such as a moving average.

    An update may be made of several batches, and must do what one large batch of the same examples does. So a batch
    only adds to sums, and the end of the update turns these into the next value.
    """

    def end_update(self) -> None:
        """Move on to the next update; called once the weights have changed."""


class Task(Protocol):
    """What is trained."""

    @property
    def model(self) -> nn.Module:
        """The model, on its device."""

    @property
    def unit(self) -> str:
        """What `CountedBatch.size` counts, in the plural, such as "tokens"."""

    def epoch(self, number: int) -> Sequence[Any]:
        """Return the batches (`CountedBatch`) of pass `number` (from 1): always the same, each built when asked for."""

    # Any, since a task takes its own kind of batch only.
    def loss(self, batch: Any) -> SummedLoss:
        """Return the loss of `batch`, which `epoch` gave."""

    def validate(self) -> Mapping[str, float]:
        """Return scores of the dev set: "loss", the mean of `SummedLoss.reported` per term, and others."""

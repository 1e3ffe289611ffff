"""What the training loop asks of a task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

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

    def sums(self) -> Sequence[Tensor]:
        """Return what batches add to, which processes that train together add up before the end of the update."""

    def end_update(self) -> None:
        """Move on to the next update; called once the weights have changed."""


class Batches(Protocol):
    """The batches of a pass over the data, each built when asked for."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...

    # Any, since a task takes its own kind of batch only.
    def __getitem__(self, index: int) -> Any:
        """Return the batch (`CountedBatch`) at `index`, from 0; None where it has no example that was dealt here."""

    def dealt(self, rank: int, count: int) -> Batches:
        """Return the same batches with every `count`-th of their examples, from the one at `rank`."""


class Task(Protocol):
    """What is trained."""

    @property
    def model(self) -> nn.Module:
        """The model, on its device."""

    @property
    def unit(self) -> str:
        """What `CountedBatch.size` counts, in the plural, such as "tokens"."""

    def epoch(self, number: int) -> Batches:
        """Return the batches of pass `number` (from 1), always the same."""

    def loss(self, batch: Any) -> SummedLoss:
        """Return the loss of `batch`, which `epoch` gave."""

    def dev_part(self, rank: int, count: int) -> Any:
        """Return what process `rank` of `count` finds on its part of the dev set, which all of them divide."""

    def dev_scores(self, parts: Sequence[Any]) -> Mapping[str, float]:
        """Return the scores of the whole dev set by all its `parts`, in the order of their ranks.

        They are "loss", the mean of `SummedLoss.reported` per term, and others, whatever the number of parts.
        """

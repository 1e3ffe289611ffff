"""The state of training beside the weights: all that a later process needs to continue as if never interrupted."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.optim import Optimizer

from attncli.config.facts import described
from attncli.errors import RunError
from attncli.training.history import Count, Number, Validation
from attncli.training.updates import Update

_WHOLE = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
Amount = Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False)]


@dataclass(config=_WHOLE)
class Window:
    """Sums since the last training record."""

    reported_loss: Number = 0.0  # summed over its terms
    terms: Count = 0
    size: Count = 0  # of the batches, in the task's unit
    seconds: Amount = 0.0  # of updates alone
    updates: Count = 0
    gradient_norms: Amount = 0.0  # their sum

    def add(self, update: Update) -> None:
        """Add `update` to the sums."""
        self.reported_loss += update.reported_loss
        self.terms += update.terms
        self.size += update.size
        self.seconds += update.seconds
        self.updates += 1
        self.gradient_norms += update.gradient_norm

    def means(self, unit: str) -> dict[str, float]:
        """Return the means for a record: loss per term, gradient norm per update, and `unit` per second."""
        return {
            "loss": self.reported_loss / self.terms,
            "gradient_norm": self.gradient_norms / self.updates,
            f"{unit}_per_second": self.size / self.seconds,
        }


@dataclass(config=_WHOLE)
class TrainingState:
    """The counters of a training run."""

    step: Count = 0  # updates made
    epoch: Count = 0  # the current pass over the data, from 1; 0 before the first update
    batch: Count = 0  # batches of this epoch that were used
    epoch_batches: Count = 0  # batches this epoch has
    seconds: Amount = 0.0  # of training, validation included
    learning_rate: Amount = 0.0  # of the last update
    history: list[Validation] = field(default_factory=list)
    window: Window = field(default_factory=Window)

    def epochs(self) -> float:
        """Return the passes over the data so far, the current one as a fraction."""
        return self.epoch - 1 + self.batch / self.epoch_batches if self.epoch else 0.0


def random_states(device: torch.device) -> dict[str, Tensor]:
    """Return the states of torch's global generators on the CPU and on `device`."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_random_states(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Set the generators to `states`; the state of a device that is not in use is ignored.

    Raises RuntimeError for what is not the state of a generator.
    """
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)


def seed_update(seed: int, step: int, rank: int) -> None:
    """Seed torch's global generators for an update in one of several processes.

    So what is drawn depends on the update and the process alone, and nothing of it has to be saved for resuming.
    """
    found = np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)
    torch.manual_seed(int(found[0]))


def write_state(
    path: Path, state: TrainingState, *, optimizer: Optimizer, random: Mapping[str, Tensor], log_size: int
) -> None:
    """Write everything but the weights into the file `path`."""
    values = {
        "training": asdict(state),
        "optimizer": optimizer.state_dict()["state"],
        "random": dict(random),
        "log_size": log_size,
    }
    # Through a Python file, so that a full disk raises OSError.
    with path.open("wb") as file:
        torch.save(values, file)


@dataclass(frozen=True, config=_WHOLE)
class SavedState:
    """What `write_state` was given; checked, since a stranger may have written it."""

    training: TrainingState
    optimizer: dict[int, dict[str, Tensor]]
    random: dict[str, Tensor]
    log_size: Count  # bytes of log.jsonl that belong to it

    def __post_init__(self) -> None:
        state = self.training
        if state.batch > state.epoch_batches or (state.epoch == 0) != (state.epoch_batches == 0):
            raise ValueError(f"batch {state.batch} of {state.epoch_batches} in epoch {state.epoch}")
        steps = [validation.step for validation in state.history]
        if steps != sorted(set(steps)) or (steps and steps[-1] > state.step):
            raise ValueError(f"validations at steps {steps[:10]}, but training is at step {state.step}")
        if "cpu" not in self.random:
            raise ValueError("random: the state of the CPU's generator is missing")
        window = state.window
        if window.updates and not (window.terms and window.seconds):
            raise ValueError(f"training.window: {window.updates} updates without terms or seconds")
        for device, values in self.random.items():
            if values.dtype != torch.uint8 or values.dim() != 1:
                raise ValueError(f"random.{device[:20]}: not the state of a generator")


_SAVED = TypeAdapter(SavedState)


def read_state(path: Path) -> SavedState:
    """Return what was saved in `path`, on the CPU; raises a RunError if it is damaged or holds what training never has.

    Nothing in it is executed: of pickled objects only tensors, numbers, text and containers are read.
    """
    try:
        return _SAVED.validate_python(_unpickled(path))
    except ValidationError as error:
        reason = described(error)
    except Exception as error:  # torch.load documents no errors for bytes that it did not write
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    raise RunError(
        f"{path}: damaged or cut short, so this run cannot be resumed: {reason[:300]}; train again with --overwrite"
    )


def _unpickled(path: Path) -> object:
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    # PyTorch does not compress: what unpacks to more was made to fill the memory.
    if size > path.stat().st_size:
        raise ValueError(f"a file of {path.stat().st_size:,} bytes that unpacks to {size:,}")
    return torch.load(path, map_location="cpu", weights_only=True)

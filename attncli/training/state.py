"""The state of training beside the weights: all that a later process needs to continue as if never interrupted."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from attncli.errors import RunError
from attncli.training.history import Validation
from attncli.training.updates import Update


@dataclass
class Window:
    """Sums since the last training record."""

    reported_loss: float = 0.0  # summed over its terms
    terms: int = 0
    size: int = 0  # of the batches, in the task's unit
    seconds: float = 0.0  # of updates alone
    updates: int = 0
    gradient_norms: float = 0.0  # their sum

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


@dataclass
class TrainingState:
    """The counters of a training run."""

    step: int = 0  # updates made
    epoch: int = 0  # the current pass over the data, from 1; 0 before the first update
    batch: int = 0  # batches of this epoch that were used
    epoch_batches: int = 0  # batches this epoch has
    seconds: float = 0.0  # of training, validation included
    learning_rate: float = 0.0  # of the last update
    history: list[Validation] = field(default_factory=list)
    window: Window = field(default_factory=Window)

    def epochs(self) -> float:
        """Return the passes over the data so far, the current one as a fraction."""
        return self.epoch - 1 + self.batch / self.epoch_batches if self.epoch else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that `from_dict` reads."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingState:
        """Return the state that `as_dict` was called on."""
        history = [Validation(**validation) for validation in values["history"]]
        return cls(**{**values, "history": history, "window": Window(**values["window"])})


def random_states(device: torch.device) -> dict[str, Tensor]:
    """Return the states of torch's global generators on the CPU and on `device`."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_random_states(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Set the generators to `states`; the state of a device that is not in use is ignored."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)


def write_state(
    path: Path, state: TrainingState, *, optimizer: Optimizer, random: Mapping[str, Tensor], log_size: int
) -> None:
    """Write everything but the weights into the file `path`."""
    values = {
        "training": state.as_dict(),
        "optimizer": optimizer.state_dict()["state"],
        "random": dict(random),
        "log_size": log_size,
    }
    # Through a Python file, so that a full disk raises OSError.
    with path.open("wb") as file:
        torch.save(values, file)


@dataclass(frozen=True)
class SavedState:
    """What `write_state` was given."""

    training: TrainingState
    optimizer: dict[int, Any]
    random: dict[str, Tensor]
    log_size: int  # bytes of log.jsonl that belong to it


def read_state(path: Path) -> SavedState:
    """Return what was saved in `path`, on the CPU; raises a RunError if it is damaged."""
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
        training = TrainingState.from_dict(values["training"])
        return SavedState(training, values["optimizer"], values["random"], values["log_size"])
    except FileNotFoundError:
        raise RunError(f"{path}: missing, so this run cannot be resumed; train again with --overwrite") from None
    except (RuntimeError, EOFError, pickle.UnpicklingError, OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(
            f"{path}: damaged or cut short, so this run cannot be resumed: {reason}; train again with --overwrite"
        ) from None


def put_optimizer_state(optimizer: Optimizer, saved: Mapping[int, Any]) -> None:
    """Give `optimizer` the running means in `saved`; its settings stay as configured."""
    optimizer.load_state_dict({"state": dict(saved), "param_groups": optimizer.state_dict()["param_groups"]})

"""When training ends, and how much of it is done."""

from __future__ import annotations

from collections.abc import Sequence

from attncli.config.training import Training
from attncli.training.history import without_improvement
from attncli.training.state import TrainingState


def reason_to_end(config: Training, state: TrainingState, *, values: Sequence[float], seconds: float) -> str | None:
    """Return the key of `config` that ends training now, or None. `values` are the validations, higher is better."""
    if config.max_steps is not None and state.step >= config.max_steps:
        return "max_steps"
    if config.max_epochs is not None and state.epochs() >= config.max_epochs:
        return "max_epochs"
    if config.max_minutes is not None and seconds >= 60 * config.max_minutes:
        return "max_minutes"
    early = config.early_stopping
    if early and without_improvement(values, minimum=early.minimum_improvement) >= early.patience:
        return "early_stopping"
    return None


def share_done(config: Training, state: TrainingState, *, seconds: float) -> float:
    """Return the share of training that is done, from 0 to 1, by the nearest end; early stopping is not foreseen."""
    shares = []
    if config.max_steps is not None:
        shares.append(state.step / config.max_steps)
    if config.max_epochs is not None:
        shares.append(state.epochs() / config.max_epochs)
    if config.max_minutes is not None:
        shares.append(seconds / (60 * config.max_minutes))
    return min(1.0, max(shares))

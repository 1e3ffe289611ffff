"""When training ends, how much of it is done, and how long the rest takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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


def shares_used(config: Training, state: TrainingState, *, seconds: float) -> dict[str, float]:
    """Return the share, from 0 to 1, of each limit of `config` that is used up; early stopping is not foreseen."""
    shares = {}
    if config.max_steps is not None:
        shares["max_steps"] = state.step / config.max_steps
    if config.max_epochs is not None:
        shares["max_epochs"] = state.epochs() / config.max_epochs
    if config.max_minutes is not None:
        shares["max_minutes"] = seconds / (60 * config.max_minutes)
    return {key: min(1.0, share) for key, share in shares.items()}


def seconds_left(before: Mapping[str, float], now: Mapping[str, float], *, elapsed: float) -> float | None:
    """Return the seconds to the nearest end, where the shares rose from `before` to `now` in `elapsed` seconds.

    None as long as no share has risen.
    """
    left = [elapsed * (1 - now[key]) / (now[key] - before[key]) for key in now if now[key] > before[key]]
    return min(left, default=None)

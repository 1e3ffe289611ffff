"""Learning rates as plain functions of the step (from 1), as factors on the configured rate.

A schedule has no state: one that depends on validations is given the values of all so far, higher is better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from attncli.config import training as config

Schedule = Callable[[int, Sequence[float]], float]
"""From the step, and one value for each validation so far, to the factor on the learning rate."""


def warmed_up(step: int, *, warmup: int) -> float:
    """Return the factor at `step`: a linear rise over `warmup` steps, then 1."""
    return min(1.0, step / warmup) if warmup else 1.0


def inverse_square_root(step: int, *, warmup: int) -> float:
    """Return the factor at `step`: a linear rise over `warmup` steps, then sqrt(warmup / step)."""
    return min(step / warmup, math.sqrt(warmup / step))


def noam(step: int, *, size: int, warmup: int) -> float:
    """Return the factor on the base learning rate at `step`. Vaswani et al. 2017, equation 3."""
    return float(size**-0.5 * min(step**-0.5, step * warmup**-1.5))


def cosine(step: int, *, warmup: int, steps: int, lowest: float) -> float:
    """Return the factor at `step`: after the warm-up, half a cosine from 1 to `lowest` at `steps`.

    Loshchilov and Hutter 2017, equation 5, without restarts.
    """
    if step < warmup:
        return warmed_up(step, warmup=warmup)
    done = min(1.0, (step - warmup) / max(1, steps - warmup))
    return lowest + (1 - lowest) * (1 + math.cos(math.pi * done)) / 2


def plateau(step: int, values: Sequence[float], *, warmup: int, factor: float, patience: int) -> float:
    """Return the factor at `step`: multiplied by `factor` after every `patience` validations without a new best."""
    best, waiting, cuts = -math.inf, 0, 0
    for value in values:
        best, waiting = (value, 0) if value > best else (best, waiting + 1)
        if waiting == patience:
            cuts, waiting = cuts + 1, 0
    return warmed_up(step, warmup=warmup) * factor**cuts


def _of_step(function: Callable[..., float], **settings: float) -> Schedule:
    return lambda step, values: function(step, **settings)


SCHEDULES: dict[str, Callable[[Any, config.Training], Schedule]] = {
    "constant": lambda part, _: _of_step(warmed_up, warmup=part.warmup),
    "inverse_square_root": lambda part, _: _of_step(inverse_square_root, warmup=part.warmup),
    "noam": lambda part, _: _of_step(noam, size=part.size, warmup=part.warmup),
    "cosine": lambda part, whole: _of_step(
        cosine, warmup=part.warmup, steps=part.steps or whole.max_steps or 1, lowest=part.lowest
    ),
    "plateau": lambda part, _: partial(plateau, warmup=part.warmup, factor=part.factor, patience=part.patience),
}


def build_schedule(training: config.Training) -> Schedule:
    """Return the schedule that `training` asks for."""
    return SCHEDULES[training.schedule.kind](training.schedule, training)

"""The validations so far: which were best, and how many have brought no improvement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

ERROR_RATES = ("ter", "wer", "cer")
"""Scores of the dev set, besides losses, of which lower ones are better."""
Count = Annotated[int, Field(ge=0, strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


@dataclass(frozen=True)
class Validation:
    """Scores of the dev set at a step."""

    step: Count
    epoch: Count
    scores: dict[str, Number]

    def value(self, metric: str) -> float:
        """Return the score by which checkpoints are chosen, higher is better."""
        is_error = metric.endswith("loss") or metric in ERROR_RATES
        return -self.scores[metric] if is_error else self.scores[metric]


def best_validations(history: Sequence[Validation], metric: str, *, count: int) -> list[Validation]:
    """Return the `count` best, best first; of equal ones the earlier comes first."""
    return sorted(history, key=lambda validation: (-validation.value(metric), validation.step))[:count]


def without_improvement(values: Sequence[float], *, minimum: float) -> int:
    """Return how many of the last `values` in a row did not exceed the best before them by more than `minimum`."""
    best, waiting = -math.inf, 0
    for value in values:
        best, waiting = (value, 0) if value > best + minimum else (best, waiting + 1)
    return waiting

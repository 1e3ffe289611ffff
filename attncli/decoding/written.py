"""What a search finds, as people and files read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from attncli.models.attention import Marks


@dataclass(frozen=True)
class WrittenHypothesis:
    """One translation of a sentence, or one caption of a picture."""

    text: str
    tokens: tuple[str, ...]  # the end symbol included where the model closed the sentence
    log_prob: float
    score: float  # log_prob over the length penalty
    # [tokens, source tokens], of a picture [tokens, rows, columns]; None without attention or where not asked for
    weights: np.ndarray | None
    marks: Marks | None = None  # [tokens, ...], windows and choices of the attention where weights are given

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values; weights, windows and choices only where there are any.

        A choice is a position's number from 0, in a picture row by row.
        """
        return {
            "text": self.text,
            "score": self.score,
            "log_prob": self.log_prob,
            "tokens": list(self.tokens),
            **({} if self.weights is None else {"attention": self.weights.round(6).tolist()}),
            **({} if self.marks is None else self.marks.as_json()),
        }

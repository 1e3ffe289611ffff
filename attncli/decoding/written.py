"""What a search finds, as people and files read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from attncli.data.columns import Places
from attncli.errors import DataError
from attncli.models.attention import Marks
from attncli.text.tokenizer import EOS, SPECIAL, UNK
from attncli.text.words import SPACE


@dataclass(frozen=True)
class WrittenHypothesis:
    """One target for a source: a translation of a sentence, a caption of an image."""

    text: str
    tokens: tuple[str, ...]  # the end symbol included where the model closed the target
    log_prob: float
    score: float  # log_prob over the length penalty
    # [tokens, source tokens], of an image [tokens, rows, columns]; None without attention or where not asked for
    weights: np.ndarray | None
    marks: Marks | None = None  # [tokens, ...], windows and choices of the attention where weights are given
    token_log_probs: tuple[float, ...] = ()  # of each token; they sum to log_prob

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values; weights, windows and choices only where there are any.

        A choice is a position's number from 0, in an image row by row.
        """
        return {
            "text": self.text,
            "score": self.score,
            "log_prob": self.log_prob,
            "tokens": list(self.tokens),
            "token_log_probs": list(self.token_log_probs),
            **({} if self.weights is None else {"attention": self.weights.round(6).tolist()}),
            **({} if self.marks is None else self.marks.as_json()),
        }


@dataclass(frozen=True)
class Written:
    """A source with what was written for it, best first, or with what is wrong with it."""

    cell: str  # a sentence, or the path of a file
    places: Places
    hypotheses: tuple[WrittenHypothesis, ...]  # none where there is a problem
    problem: DataError | None = None

    @property
    def is_unknown(self) -> bool:
        """Whether the source is text of which the vocabulary has nothing."""
        tokens = set(self.places.tokens or ())
        return SPECIAL[UNK] in tokens <= {SPECIAL[UNK], SPECIAL[EOS], SPACE}

    @property
    def best(self) -> WrittenHypothesis:
        """The best hypothesis."""
        return self.hypotheses[0]

    def as_json(self, *, name: str) -> dict[str, Any]:
        """Return it as JSON values, the source under `name`."""
        tokens = {} if self.places.tokens is None else {"source_tokens": list(self.places.tokens)}
        return {name: self.cell, **tokens, "hypotheses": [found.as_json() for found in self.hypotheses]}


@dataclass(frozen=True)
class Inspection:
    """A source, a target of it, and where every layer and head looks; None for what looks nowhere."""

    cell: str
    target: str
    places: Places
    target_tokens: tuple[str, ...]
    read_tokens: tuple[str, ...]  # what the decoder has read when it writes each of `target_tokens`
    encoder: np.ndarray | None  # [layers, heads, positions, positions]
    decoder: np.ndarray | None  # [layers, heads, target tokens, read tokens]
    cross: np.ndarray | None  # [layers, heads, target tokens, positions]

"""What a search finds, as people and files read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    # [tokens, source tokens], of an image [tokens, rows, columns], of a film [tokens, frames] or [tokens, frames, rows,
    # columns], of several sources [tokens, positions of all]; of a label that several looks led to [looks, ...]; None
    # without attention or where not asked for
    weights: np.ndarray | None
    marks: Marks | None = None  # [tokens, ...], windows and choices of the attention where weights are given
    token_log_probs: tuple[float, ...] = ()  # of each token; they sum to log_prob

    @property
    def looks(self) -> tuple[str, ...]:
        """The names of several looks that led to a label, the label beside the last; none where there is one."""
        if self.weights is None or len(self.weights) == len(self.tokens):
            return ()
        *before, last = (f"look {number}" for number in range(1, len(self.weights) + 1))
        return *before, f"{last} · {self.tokens[-1]}"

    @property
    def rows(self) -> tuple[str, ...]:
        """What the rows of the weights are called: looks, or else tokens."""
        return self.looks or self.tokens

    @property
    def token_weights(self) -> np.ndarray | None:
        """The weights [tokens, ...]; of several looks those of the last."""
        return None if self.weights is None else self.weights[len(self.weights) - len(self.tokens) :]

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
            **({"looks": list(self.looks)} if self.looks else {}),
            **({} if self.weights is None else {"attention": self.weights.round(6).tolist()}),
            **({} if self.marks is None else self.marks.as_json()),
        }

    def over(self, first: int, last: int, grid: tuple[int, ...] | None) -> WrittenHypothesis:
        """Return it with the weights over the positions from `first` to before `last` alone, which may form a `grid`.

        Its choices are counted from `first`, and -1 where they lie elsewhere.
        """
        weights = self.weights
        if weights is not None:
            weights = weights[:, first:last]
            weights = weights if grid is None else weights.reshape(len(weights), *grid)
        return replace(self, weights=weights, marks=None if self.marks is None else self.marks.within(first, last))


@dataclass(frozen=True)
class Written:
    """A source with what was written for it, best first, or with what is wrong with it."""

    cell: Any  # a sentence, the path of a file, or several by their names
    places: Places
    hypotheses: tuple[WrittenHypothesis, ...]  # none where there is a problem
    problem: DataError | None = None
    # Of several sources each by itself: the same hypotheses, with the weights over it.
    parts: Mapping[str, Written] = field(default_factory=dict)

    @property
    def is_unknown(self) -> bool:
        """Whether the source is text of which the vocabulary has nothing."""
        tokens = set(self.places.tokens or ())
        return SPECIAL[UNK] in tokens <= {SPECIAL[UNK], SPECIAL[EOS], SPACE}

    @property
    def duration(self) -> float | None:
        """The seconds that the source lasts, of several the first that does; None where none does."""
        of_sources = (each.places.duration for each in (self, *self.parts.values()))
        return next((seconds for seconds in of_sources if seconds is not None), None)

    @property
    def best(self) -> WrittenHypothesis:
        """The best hypothesis."""
        return self.hypotheses[0]

    def as_json(self, *, name: str) -> dict[str, Any]:
        """Return it as JSON values, the source under `name`; several sources have their own names."""
        if self.parts:
            return self._with_parts_as_json()
        tokens = {} if self.places.tokens is None else {"source_tokens": list(self.places.tokens)}
        return {name: self.cell, **tokens, "hypotheses": [found.as_json() for found in self.hypotheses]}

    def _with_parts_as_json(self) -> dict[str, Any]:
        tokens = {name: list(part.places.tokens) for name, part in self.parts.items() if part.places.tokens is not None}
        by_part = zip(*(part.hypotheses for part in self.parts.values()), strict=True)
        return {
            **self.cell,
            **({"source_tokens": tokens} if tokens else {}),
            "hypotheses": [
                {
                    **replace(whole, weights=None, marks=None).as_json(),
                    **({"looks": list(whole.looks)} if whole.looks else {}),
                    **self._looks_as_json(parts),
                }
                for whole, parts in zip(self.hypotheses, by_part, strict=True)
            ],
        }

    def _looks_as_json(self, parts: Sequence[WrittenHypothesis]) -> dict[str, Any]:
        """Return the weights over each source, and the choices as the name of a source and a position in it."""
        named = dict(zip(self.parts, parts, strict=True))
        weights = {name: part.weights.round(6).tolist() for name, part in named.items() if part.weights is not None}
        choices = chosen_by_part({name: part.marks for name, part in named.items()})
        return {**({"attention": weights} if weights else {}), **({"chosen": choices} if choices else {})}


def chosen_by_part(marks: Mapping[str, Marks | None]) -> list[tuple[str, int]]:
    """Return the source and the position in it that each token chose, by the `marks` of each source; empty if none."""
    chosen = {
        name: each.chosen.tolist() for name, each in marks.items() if each is not None and each.chosen is not None
    }
    return [
        next((name, at) for name, at in zip(chosen, of_token, strict=True) if at >= 0)
        for of_token in zip(*chosen.values(), strict=True)
    ]


@dataclass(frozen=True)
class Inspection:
    """A source, a target of it, and where every layer and head looks; None for what looks nowhere."""

    cell: Any
    target: str
    places: Places
    target_tokens: tuple[str, ...]
    read_tokens: tuple[str, ...]  # what the decoder has read when it writes each of `target_tokens`
    encoder: np.ndarray | None  # [layers, heads, positions, positions]
    decoder: np.ndarray | None  # [layers, heads, target tokens, read tokens]
    cross: np.ndarray | None  # [layers, heads, target tokens, positions]

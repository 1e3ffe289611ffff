"""An alignment of a source with its output: what figures show of it, and its JSON.

S source tokens, T target tokens.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attncli.decoding.written import Written
from attncli.errors import escaped_json
from attncli.models.attention import Marks


@dataclass(frozen=True)
class Alignment:
    """Which source tokens a model attended to for each target token."""

    source: str
    target: str
    source_tokens: tuple[str, ...]
    target_tokens: tuple[str, ...]
    weights: NDArray[np.floating[Any]]  # [T, S]
    log_prob: float
    forced: bool  # whether the target was given, not found by search
    marks: Marks | None = None  # windows and choices of the attention, [T, ...]
    looks: tuple[str, ...] = ()  # what the rows of weights are called where they are several for a label

    @property
    def rows(self) -> tuple[str, ...]:
        """What the rows of weights are called."""
        return self.looks or self.target_tokens

    def as_json(self) -> dict[str, Any]:
        """Return the alignment with one row of weights per target token, and its window centre and choice if any."""
        return {
            "source": self.source,
            "target": self.target,
            "forced": self.forced,
            "log_prob": self.log_prob,
            "source_tokens": list(self.source_tokens),
            "target_tokens": list(self.target_tokens),
            **({"looks": list(self.looks)} if self.looks else {}),
            "weights": [[round(float(weight), 8) for weight in row] for row in self.weights],
            **({} if self.marks is None else self.marks.as_json()),
        }

    def windows(self) -> list[tuple[float, int, int]]:
        """Return, for each target token, the centre of its window and the first and last source token inside."""
        if self.marks is None or self.marks.centres is None or self.marks.half_width is None:
            return []
        last, reach = len(self.source_tokens) - 1, self.marks.half_width
        return [
            # `local_p` may predict a place past the last token.
            (min(centre, last), max(0, math.ceil(centre - reach)), min(last, math.floor(centre + reach)))
            for centre in self.marks.centres[:, 0].tolist()
        ]

    def chosen(self) -> list[int]:
        """Return the source token that hard attention chose for each target token; empty for soft attention."""
        return [] if self.marks is None or self.marks.chosen is None else self.marks.chosen.tolist()


def alignment_of(found: Written, *, forced: bool) -> Alignment:
    """Return the alignment of the best hypothesis of `found`, which must have weights."""
    best = found.best
    assert best.weights is not None, "drawers get hypotheses with weights"
    return Alignment(
        source=found.cell,
        target=best.text,
        source_tokens=found.places.labels,
        target_tokens=best.tokens,
        weights=best.weights,
        log_prob=best.log_prob,
        forced=forced,
        marks=best.marks,
        looks=best.looks,
    )


def json_text(alignments: Sequence[Alignment]) -> str:
    """Return a JSON list of `alignments`, each row of weights on a line of its own."""
    text = ",\n".join(_object_text(alignment.as_json()) for alignment in alignments)
    return escaped_json(f"[\n{text}\n]\n")


def _object_text(value: dict[str, Any]) -> str:
    rows = ",\n    ".join(json.dumps(row) for row in value["weights"])
    fields = {key: json.dumps(found, ensure_ascii=False) for key, found in value.items() if key != "weights"}
    lines = [f"{json.dumps(key)}: {text}" for key, text in fields.items()]
    return "{\n  " + ",\n  ".join([*lines, f'"weights": [\n    {rows}\n  ]']) + "\n}"

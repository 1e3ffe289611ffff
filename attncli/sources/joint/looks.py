"""Where a model looked in several sources: what figures show of it, and its JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from attncli.data.direction import mark_of
from attncli.decoding.written import Written, WrittenHypothesis, chosen_by_part
from attncli.drawing.labels import readable
from attncli.errors import escaped_json
from attncli.text.tokenizer import EOS, SPECIAL


@dataclass(frozen=True)
class Looks:
    """The best hypothesis for several sources, with its weights over each."""

    found: Written
    forced: bool  # whether the target was given, not found by search

    @property
    def best(self) -> WrittenHypothesis:
        """The hypothesis."""
        return self.found.best

    @property
    def labels(self) -> list[str]:
        """What its rows of weights are called; the end symbol is left out unless it is alone."""
        tokens = self.best.rows
        return readable(tokens[:-1] if len(tokens) > 1 and tokens[-1] == SPECIAL[EOS] else tokens)

    @property
    def attended(self) -> dict[str, Written]:
        """The sources that the model attended to, by name."""
        return {name: part for name, part in self.found.parts.items() if part.best.weights is not None}

    def share(self, name: str, token: int) -> float:
        """Return how much of the weight of `token` lies on the source `name`."""
        weights = self.found.parts[name].best.weights
        assert weights is not None, "drawers get hypotheses with weights"
        return float(weights[token].sum())

    @property
    def sources(self) -> dict[str, str]:
        """What is shown of the sources, by their names."""
        return {name: cell + mark_of(cell) for name, cell in self.found.cell.items()}

    def as_json(self) -> dict[str, Any]:
        """Return the sources and the target, and for each source a row of weights per token.

        Regions go row by row. A choice is the name of a source and a position in it.
        """
        parts = self.attended
        choices = chosen_by_part({name: part.best.marks for name, part in parts.items()})
        return {
            "sources": self.sources,
            "target": self.best.text,
            "forced": self.forced,
            "log_prob": self.best.log_prob,
            "target_tokens": list(self.best.tokens),
            **({"looks": list(self.best.looks)} if self.best.looks else {}),
            "memories": {name: _memory(part) for name, part in parts.items()},
            **({"chosen": choices} if choices else {}),
        }


def _memory(part: Written) -> dict[str, Any]:
    weights = part.best.weights
    assert weights is not None, "drawers get hypotheses with weights"
    rows = weights.reshape(len(weights), -1)
    return {
        **({} if part.places.grid is None else {"grid": list(part.places.grid)}),
        **({} if part.places.tokens is None else {"tokens": list(part.places.labels)}),
        "weights": [[round(float(weight), 8) for weight in row] for row in rows],
    }


def json_text(looks: Iterable[Looks]) -> str:
    """Return a JSON list of `looks`."""
    return escaped_json(json.dumps([each.as_json() for each in looks], ensure_ascii=False, indent=1) + "\n")

"""The steps that a search took, kept as pointers from each row to the row it continues.

Nothing is copied while the search goes on; tokens, weights and marks are gathered for the hypotheses that are kept.
N rows of a step, S source positions, M hypotheses, T steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from attncli.decoding.strategies import Extension
from attncli.models.decoders.decoder import Step
from attncli.models.rows import stack_steps, take_rows


@dataclass(frozen=True)
class Taken:
    """One step: how every row that it read goes on, and where it looked."""

    log_prob: Tensor  # [N], of the rows the step read
    continued: Tensor  # [N], for each row after the step the row it continues
    tokens: Tensor  # [N], after the step
    weights: Tensor | None  # [N, S], of the rows the step read
    marks: Any  # tensors [N, ...], of the rows the step read
    stayed: Tensor | None = None  # which rows after this step the next one read; None for all


class Trace:
    """All steps of a search, from the first on."""

    def __init__(self, *, with_weights: bool):
        self._with_weights = with_weights
        self._steps: list[Taken] = []

    def add(self, step: Step, log_prob: Tensor, extension: Extension) -> None:
        """Note a step, the `log_prob` [N] of the rows that it read, and how they went on."""
        weights, marks = (step.weights, step.marks) if self._with_weights else (None, None)
        self._steps.append(Taken(log_prob, extension.rows, extension.tokens, weights, marks))

    def keep(self, rows: Tensor) -> None:
        """Note that of the rows after the last step only `rows` are read by the next."""
        self._steps[-1] = replace(self._steps[-1], stayed=rows)

    def follow(self, step: Tensor, row: Tensor, token: Tensor) -> tuple[Tensor, Tensor, Tensor | None, Any]:
        """Return what M hypotheses are made of; what lies behind their ends means nothing.

        That is their tokens [M, T], their log-probability [M, T] before each, weights [M, T, S] and marks. Each ends
        with `token` [M] after the row `row` [M] that the step `step` [M], from 0 on, read.
        """
        read, written = torch.zeros_like(row), torch.zeros_like(token)
        tokens, log_probs, weights, marks = [], [], [], []
        for at in reversed(range(len(self._steps))):
            taken = self._steps[at]
            if at + 1 < len(self._steps):
                after = read if taken.stayed is None else taken.stayed[read]
                written, read = taken.tokens[after], taken.continued[after]
            # Until its end is reached, from behind, a hypothesis follows some other row: no row is out of reach.
            written, read = torch.where(step == at, token, written), torch.where(step == at, row, read)
            tokens.append(written)
            log_probs.append(taken.log_prob[read])
            if taken.weights is not None:
                weights.append(taken.weights[read])
                marks.append(take_rows(taken.marks, read))
        return (
            torch.stack(tokens[::-1], 1),
            torch.stack(log_probs[::-1], 1),
            torch.stack(weights[::-1], 1) if weights else None,
            stack_steps(marks[::-1]) if marks else None,
        )

"""How hypotheses go on: the best of a beam (greedy is a beam of one), or draws from the model.

B sources still being decoded, K hypotheses a source, N = B*K rows, V vocabulary.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from attncli.errors import CommandError
from attncli.models.source_draws import exponentials
from attncli.text.tokenizer import EOS


@dataclass(frozen=True)
class Extension:
    """What one step makes of the hypotheses: those that go on, and those that end with it."""

    rows: Tensor  # [N], which row each one that goes on continues
    tokens: Tensor  # [N], with which token
    log_prob: Tensor  # [N], at what total log-probability; -inf for a row that holds nothing
    ended_rows: Tensor  # [B, K], which row each one that ends continues
    ended_log_prob: Tensor  # [B, K], with the end symbol; -inf where nothing ends


class Strategy(ABC):
    """Chooses how hypotheses go on."""

    # Whether the hypotheses of a source compete, so that a search may end when enough have finished.
    competes: ClassVar[bool] = True

    @abstractmethod
    def first_log_prob(self, sources: int, beam_size: int) -> Tensor:
        """Return the log-probability [N] that the empty hypotheses start with."""

    @abstractmethod
    def extend(self, log_probs: Tensor, log_prob: Tensor, *, sources: Tensor, step: int) -> Extension:
        """Return the extension of hypotheses of total `log_prob` [N] by the next token's `log_probs` [N, V].

        Both are float32; tokens that may not be written have -inf. `sources` [B] are the places of the sources in what
        was searched, and `step` counts from 0.
        """

    def for_rows(self, rows: Sequence[int]) -> Strategy:
        """Return the strategy for a search of sources which are these `rows` of the whole input."""
        return self


@dataclass(frozen=True)
class BestK(Strategy):
    """Beam search: of all extensions of a source's K hypotheses, the best.

    A finished hypothesis takes no place in the beam: those among the K best extensions end, and the K best of the
    others go on. All have the same length, so no length penalty is needed to compare them.
    """

    def first_log_prob(self, sources: int, beam_size: int) -> Tensor:
        """Return 0 for the first row of a source and -inf for the others.

        All K rows start equal, so only one may be extended; otherwise the beam would hold K copies of one hypothesis.
        """
        first = torch.full((sources, beam_size), -math.inf)
        first[:, 0] = 0.0
        return first.view(-1)

    def extend(self, log_probs: Tensor, log_prob: Tensor, *, sources: Tensor, step: int) -> Extension:
        """Return the best extensions of each source."""
        beam_size = len(log_prob) // len(sources)
        # A row can contribute its K best words and the end symbol, no more: K*(K+1) candidates instead of K*V.
        best, tokens = largest(log_probs, min(beam_size + 1, log_probs.shape[1]))
        candidates = best.shape[1]
        total = (log_prob[:, None] + best).view(-1, beam_size * candidates)
        ranked, chosen = total.topk(2 * beam_size, dim=-1)  # [B, 2K], of which at most K end
        first_row = torch.arange(0, len(log_prob), beam_size, device=log_prob.device)[:, None]
        rows = first_row + chosen // candidates
        tokens = tokens.view(-1, beam_size * candidates).gather(1, chosen)
        ends = tokens == EOS
        going_on = ends.sort(dim=-1, stable=True).indices[:, :beam_size]  # False before True, else as ranked
        return Extension(
            rows=rows.gather(1, going_on).view(-1),
            tokens=tokens.gather(1, going_on).view(-1),
            log_prob=ranked.gather(1, going_on).view(-1),
            ended_rows=rows[:, :beam_size],
            ended_log_prob=ranked[:, :beam_size].masked_fill(~ends[:, :beam_size], -math.inf),
        )


@dataclass(frozen=True)
class Sampling(Strategy):
    """Draws each hypothesis from the model on its own, so that a source's may be equal.

    What is drawn depends on the seed, the row of the source in the whole input, the hypothesis's number and the step
    alone, and so neither on how sources are batched nor on what else is drawn.

    The distribution is sharpened by a temperature under 1 and flattened by one over it, and then cut to the `top_k`
    likeliest tokens (Fan et al. 2018), and to the fewest likeliest that have the mass `top_p` together (Holtzman et al.
    2020).
    """

    seed: int
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    rows: tuple[int, ...] | None = None  # of the sources that are searched; None where they are the whole input
    competes: ClassVar[bool] = False

    def for_rows(self, rows: Sequence[int]) -> Sampling:
        """Return the sampling for sources which are these `rows` of the whole input."""
        return replace(self, rows=tuple(rows))

    def first_log_prob(self, sources: int, beam_size: int) -> Tensor:
        """Return 0 for every row."""
        return torch.zeros(sources * beam_size)

    def extend(self, log_probs: Tensor, log_prob: Tensor, *, sources: Tensor, step: int) -> Extension:
        """Return one draw for every row."""
        probabilities, beam_size = self._probabilities(log_probs), len(log_prob) // len(sources)
        # Of exponential clocks with these rates, the first to ring is each with its probability.
        tokens = (probabilities / self._clocks(log_probs, sources, step)).argmax(-1, keepdim=True)
        total = log_prob + log_probs.gather(1, tokens)[:, 0]
        rows, ends = torch.arange(len(tokens), device=tokens.device), tokens[:, 0] == EOS
        return Extension(
            rows=rows,
            tokens=tokens[:, 0],
            log_prob=total.masked_fill(ends, -math.inf),
            ended_rows=rows.view(-1, beam_size),
            ended_log_prob=total.masked_fill(~ends, -math.inf).view(-1, beam_size),
        )

    def _clocks(self, log_probs: Tensor, sources: Tensor, step: int) -> Tensor:
        """Return exponentially distributed numbers [N, V] for this step of each hypothesis."""
        rows = sources if self.rows is None else torch.tensor(self.rows, device=sources.device)[sources]
        numbers = torch.arange(len(log_probs) // len(sources), device=sources.device)
        steps = (numbers * _MOST_STEPS + step).expand(len(sources), -1)  # [B, K]
        return exponentials(rows, steps, log_probs.shape[1], seed=self.seed).view(log_probs.shape)

    def _probabilities(self, log_probs: Tensor) -> Tensor:
        probabilities = (log_probs / self.temperature).softmax(-1)
        if self.top_k is not None and self.top_k < probabilities.shape[1]:
            least = probabilities.topk(self.top_k, dim=-1).values[:, -1:]
            probabilities = probabilities.masked_fill(probabilities < least, 0.0)
        if self.top_p is not None:
            ranked, order = (probabilities / probabilities.sum(-1, keepdim=True)).sort(dim=-1, descending=True)
            # A token stays if those before it fall short of the mass, so the likeliest always does.
            missing = ranked.cumsum(-1) - ranked < self.top_p
            probabilities = probabilities * torch.zeros_like(missing).scatter(1, order, missing)
        return probabilities


_MOST_STEPS = 1 << 32
# Beyond them, scores divided by the temperature overflow, or every token is as likely.
_COLDEST, _HOTTEST = 1e-6, 1e6
_LARGEST_SEED = 2**64 - 1


def drawing(
    *,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    named: Callable[[str], str] = str,
) -> Sampling:
    """Return a sampling of these options, at temperature 1 and with seed 1 where they are None.

    Raises a CommandError for a value that makes no sense; `named` gives what an option is called where it was given.
    """
    if temperature is not None and not _COLDEST <= temperature <= _HOTTEST:
        name = named("temperature")
        raise CommandError(f"{name} {temperature:g}: must be a number from {_COLDEST:g} to {_HOTTEST:g}")
    if top_k is not None and top_k < 1:
        raise CommandError(f"{named('top_k')} {top_k}: must be at least 1")
    if top_p is not None and not 0 < top_p <= 1:
        raise CommandError(f"{named('top_p')} {top_p:g}: must be a number over 0, and at most 1")
    if seed is not None and not 0 <= seed <= _LARGEST_SEED:
        raise CommandError(f"{named('seed')} {seed}: must be from 0 to {_LARGEST_SEED}")
    return Sampling(1 if seed is None else seed, 1.0 if temperature is None else temperature, top_k, top_p)


def largest(values: Tensor, count: int, *, piece: int = 128) -> tuple[Tensor, Tensor]:
    """Return the `count` largest of each row of `values` [N, V], from the largest on, and where they are: [N, count].

    As `topk`, in less than half its time for a vocabulary: rows are cut into pieces, whose maxima are cheap, and the
    `count` largest lie in the `count` pieces with the largest maxima.
    """
    pieces = values.shape[1] // piece
    if pieces <= 2 * count:
        return values.topk(count, dim=-1)
    cut, rest = values[:, : pieces * piece].view(-1, pieces, piece), values[:, pieces * piece :]
    best = cut.amax(-1).topk(count, dim=-1).indices  # [N, count]
    places = torch.arange(values.shape[1], device=values.device)
    cut_places = places[: pieces * piece].view(pieces, piece)[best].flatten(1)
    candidates = torch.cat([cut.gather(1, best[:, :, None].expand(-1, -1, piece)).flatten(1), rest], 1)
    places = torch.cat([cut_places, places[pieces * piece :].expand(len(values), -1)], 1)
    found, at = candidates.topk(count, dim=-1)
    return found, places.gather(1, at)

"""One search for every decoder: beam search (greedy is a beam of one) and sampling.

B sources still being decoded, K hypotheses a source, N = B*K rows, S source positions, V vocabulary, t steps so far.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from attncli.models.decoders.decoder import Decoder, Step
from attncli.models.memory import Memory
from attncli.models.rows import append_step, map_tensors, take_rows
from attncli.text.tokenizer import BOS, EOS, PAD


@dataclass(frozen=True)
class Hypothesis:
    """One target that a search found for a source."""

    tokens: tuple[int, ...]  # closed by the end symbol unless the longest length was reached
    log_prob: float
    score: float  # log_prob over the length penalty
    weights: np.ndarray | None  # [len(tokens), positions of the source], None without attention or where not asked for
    marks: Any = None  # what the decoder tells of its steps beside weights, tensors [len(tokens), ...] on the CPU


@dataclass(frozen=True)
class Beams:
    """The hypotheses of all sources, one a row, K after one another; a finished one only grows PAD, at no cost."""

    tokens: Tensor  # [N, t], without the begin symbol
    weights: Tensor | None  # [N, t, S]
    marks: Any  # the decoder's own, tensors [N, t, ...]; None for nothing or before the first step
    log_prob: Tensor  # [N]
    length: Tensor  # [N], the end symbol counted
    finished: Tensor  # [N] bool


@dataclass(frozen=True)
class Extension:
    """How every row goes on: which row it continues, with which token, at what total log-probability."""

    rows: Tensor  # [N]
    tokens: Tensor  # [N]
    log_prob: Tensor  # [N]


class Strategy(ABC):
    """Chooses how hypotheses go on."""

    @abstractmethod
    def first_log_prob(self, sources: int, beam_size: int) -> Tensor:
        """Return the log-probability [N] that the empty hypotheses start with."""

    @abstractmethod
    def extend(self, logits: Tensor, beams: Beams, beam_size: int) -> Extension:
        """Return the extension by float32 `logits` [N, V].

        PAD and BOS never follow an unfinished row; a finished one is followed by PAD, at no cost.
        """


@dataclass(frozen=True)
class BestK(Strategy):
    """Keeps the K hypotheses with the highest log-probability over the length penalty."""

    length_penalty: float

    def first_log_prob(self, sources: int, beam_size: int) -> Tensor:
        """Return 0 for the first row of a source and -inf for the others.

        All K rows start equal, so only one may be extended; otherwise the beam would hold K copies of one hypothesis.
        """
        first = torch.full((sources, beam_size), -math.inf)
        first[:, 0] = 0.0
        return first.view(-1)

    def extend(self, logits: Tensor, beams: Beams, beam_size: int) -> Extension:
        """Return the best K extensions of each source."""
        every = logits.log_softmax(-1)
        every[:, PAD] = every[:, BOS] = -math.inf
        # No source can use more than the K best tokens of a row, so the ranking is over K*K candidates, not K*V.
        log_probs, tokens = largest(every, min(beam_size, every.shape[1]))  # [N, K]
        log_probs = log_probs.masked_fill_(beams.finished[:, None], -math.inf)
        log_probs[:, 0].masked_fill_(beams.finished, 0.0)
        tokens.masked_fill_(beams.finished[:, None], PAD)
        total = beams.log_prob[:, None] + log_probs
        length = beams.length + (~beams.finished).long()
        candidates = log_probs.shape[1]
        ranked = (total / penalty(length, self.length_penalty)[:, None]).view(-1, beam_size * candidates)
        chosen = ranked.topk(beam_size, dim=-1).indices  # [B, K]
        first_row = torch.arange(0, len(total), beam_size, device=total.device)[:, None]
        flat = (first_row * candidates + chosen).view(-1)
        return Extension(flat // candidates, tokens.view(-1)[flat], total.view(-1)[flat])


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


@dataclass(frozen=True)
class Sampling(Strategy):
    """Draws each hypothesis from the model on its own, so that a source's may be equal."""

    generator: torch.Generator
    temperature: float = 1.0

    def first_log_prob(self, sources: int, beam_size: int) -> Tensor:
        """Return 0 for every row."""
        return torch.zeros(sources * beam_size)

    def extend(self, logits: Tensor, beams: Beams, beam_size: int) -> Extension:
        """Return one draw for every row."""
        log_probs = logits.log_softmax(-1)
        log_probs[:, PAD] = log_probs[:, BOS] = -math.inf
        tokens = torch.multinomial((log_probs / self.temperature).softmax(-1), 1, generator=self.generator)
        drawn = log_probs.gather(1, tokens)[:, 0].masked_fill(beams.finished, 0.0)
        rows = torch.arange(len(tokens), device=tokens.device)
        return Extension(rows, tokens[:, 0].masked_fill(beams.finished, PAD), beams.log_prob + drawn)


def penalty(length: Tensor, exponent: float) -> Tensor:
    """Return the length penalty ((5 + |y|) / 6)^α. Wu et al. 2016, equation 14; |y| counts the end symbol."""
    return ((5.0 + length) / 6.0) ** exponent


@torch.inference_mode()
def search(
    decoder: Decoder,
    memory: Memory,
    *,
    strategy: Strategy,
    beam_size: int,
    max_length: int,
    length_penalty: float,
    with_weights: bool = False,
) -> list[list[Hypothesis]]:
    """Return the hypotheses of every source of `memory`, best score first, at most `beam_size` each.

    A source leaves the batch as soon as all its hypotheses are finished. With BestK a source's hypotheses differ;
    there are fewer than `beam_size` only where no more exist.
    """
    device = memory.mask.device
    prepared = decoder.prepare(memory)
    every_k = torch.arange(len(memory.mask), device=device).repeat_interleave(beam_size)
    state = take_rows(decoder.start(prepared), every_k)
    beams = _empty(memory, strategy, beam_size, with_weights=with_weights)
    found: list[list[Hypothesis]] = [[] for _ in memory.mask]
    alive = torch.arange(len(memory.mask), device=device)  # [B], which source each K rows belong to
    last = torch.full((len(every_k),), BOS, device=device)
    for length in range(1, max_length + 1):
        step = decoder.step(last, state, prepared)
        extension = strategy.extend(step.logits.float(), beams, beam_size)
        beams, state = _grow(beams, extension, step), take_rows(step.state, extension.rows)
        done = beams.finished.view(-1, beam_size).all(1) | (length == max_length)
        if done.any():
            for at in done.nonzero()[:, 0].tolist():
                rows = torch.arange(at * beam_size, (at + 1) * beam_size, device=device)
                source = int(alive[at])
                found[source] = _ranked(take_rows(beams, rows), int(memory.mask[source].sum()), length_penalty)
            kept, kept_rows = ~done, (~done).repeat_interleave(beam_size)
            if not kept.any():
                break
            alive, prepared = alive[kept], take_rows(prepared, kept.nonzero()[:, 0])
            beams, state = take_rows(beams, kept_rows.nonzero()[:, 0]), take_rows(state, kept_rows.nonzero()[:, 0])
        last = beams.tokens[:, -1]
    return found


def _empty(memory: Memory, strategy: Strategy, beam_size: int, *, with_weights: bool) -> Beams:
    sources, positions = memory.mask.shape
    rows, device = sources * beam_size, memory.mask.device
    return Beams(
        tokens=torch.zeros(rows, 0, dtype=torch.long, device=device),
        weights=torch.zeros(rows, 0, positions, device=device) if with_weights else None,
        marks=None,
        log_prob=strategy.first_log_prob(sources, beam_size).to(device),
        length=torch.zeros(rows, dtype=torch.long, device=device),
        finished=torch.zeros(rows, dtype=torch.bool, device=device),
    )


def _grow(beams: Beams, extension: Extension, step: Step) -> Beams:
    kept = take_rows(beams, extension.rows)
    weights = marks = None
    if kept.weights is not None and step.weights is not None:
        weights = append_step(kept.weights, step.weights[extension.rows])
        marks = append_step(kept.marks, take_rows(step.marks, extension.rows))
    return Beams(
        tokens=torch.cat([kept.tokens, extension.tokens[:, None]], 1),
        weights=weights,
        marks=marks,
        log_prob=extension.log_prob,
        length=kept.length + (~kept.finished).long(),
        finished=kept.finished | (extension.tokens == EOS),
    )


def _ranked(beams: Beams, positions: int, length_penalty: float) -> list[Hypothesis]:
    """Return the hypotheses of one source with `positions` real positions, best score first."""
    scores = beams.log_prob / penalty(beams.length, length_penalty)
    hypotheses = []
    for row in scores.argsort(descending=True, stable=True).tolist():
        if beams.log_prob[row] == -math.inf:  # a row of a beam wider than there are hypotheses
            continue
        kept = partial(_of_hypothesis, row=row, length=int(beams.length[row]))
        hypotheses.append(
            Hypothesis(
                tokens=tuple(kept(beams.tokens).tolist()),
                log_prob=float(beams.log_prob[row]),
                score=float(scores[row]),
                weights=None if beams.weights is None else kept(beams.weights)[:, :positions].float().numpy(),
                marks=map_tensors(beams.marks, kept),
            )
        )
    return hypotheses


def _of_hypothesis(steps: Tensor, *, row: int, length: int) -> Tensor:
    """Return what belongs to one hypothesis of `steps` [N, t, ...]."""
    return steps[row, :length].cpu()

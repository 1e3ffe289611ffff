"""One search for every decoder: beam search (greedy is a beam of one) and sampling.

B sources still being decoded, K hypotheses a source, N = B*K rows, S source positions, V vocabulary, t steps so far.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from attncli.decoding.constraints import UNCONSTRAINED, Constraints
from attncli.decoding.pool import Pool, joined
from attncli.decoding.strategies import Extension, Strategy
from attncli.decoding.trace import Trace
from attncli.models.attention import Marks
from attncli.models.decoders.decoder import Step, Stepwise
from attncli.models.network import SourceMemory
from attncli.models.rows import map_tensors, take_rows
from attncli.text.tokenizer import BOS, EOS


@dataclass(frozen=True)
class Hypothesis:
    """One target that a search found for a source."""

    tokens: tuple[int, ...]  # closed by the end symbol unless the longest length was reached
    log_prob: float
    score: float  # log_prob over the length penalty
    # [len(tokens), positions of the source], None without attention or where not asked for; of a label that several
    # looks led to [looks, positions]
    weights: np.ndarray | None
    marks: Any = None  # what the decoder tells of its steps beside weights, tensors [len(tokens), ...] on the CPU
    token_log_probs: tuple[float, ...] = ()  # of each token; they sum to log_prob


def penalty(length: int, exponent: float) -> float:
    """Return the length penalty ((5 + |y|) / 6)^α. Wu et al. 2016, equation 14; |y| counts the end symbol."""
    return math.pow((5.0 + length) / 6.0, exponent)


@torch.inference_mode()
def search(
    decoder: Stepwise,
    memory: SourceMemory,
    *,
    strategy: Strategy,
    beam_size: int,
    max_length: int,
    length_penalty: float,
    patience: float | None = None,
    wanted: int | None = None,
    with_weights: bool = False,
    constraints: Constraints = UNCONSTRAINED,
) -> list[list[Hypothesis]]:
    """Return the `wanted` best hypotheses of every source of `memory`, by default all K, best score first.

    Finished hypotheses go to a pool of the K best of their source, where they cannot be lost to unfinished ones that
    later end worse; at `max_length` the best unfinished ones fill what is free in it, behind all finished ones. A
    source leaves the batch as soon as no hypothesis that goes on can still be among the wanted. With BestK a source's
    hypotheses differ; there are fewer than wanted only where no more exist.

    With a `patience` of at least 1, a source also leaves once `patience` times K of its hypotheses have finished,
    though better ones might still come (Kasai et al. 2022, algorithm 1; many toolkits search with 1). It is not for
    draws, which do not compete.
    """
    front = _Front.first(decoder, memory, strategy, beam_size)
    wanted = beam_size if wanted is None else wanted
    trace, left = Trace(with_weights=with_weights), []
    for length in range(1, max_length + 1):
        step = decoder.step(front.written[:, -1], front.state, front.prepared)
        log_probs = step.log_probs()
        constraints.apply(log_probs, front.written, front.sources.repeat_interleave(beam_size))
        extension = strategy.extend(log_probs, front.log_prob, sources=front.sources, step=length - 1)
        trace.add(step, front.log_prob, extension)
        front = front.extended(step, extension, _finished(extension, length, length_penalty))
        if length == max_length:
            unfinished = _unfinished(extension, length, length_penalty, beam_size)
            left.append((front.sources, front.pool.filled_up(unfinished)))
            break
        decided = _is_decided(front.pool, wanted, front.log_prob, length, max_length, length_penalty)
        if patience is not None:
            decided |= front.ended >= patience * beam_size
        # How many is all that a device is waited for at a step; which, it sorts out itself.
        if count := int(decided.sum()):
            order = decided.sort(stable=True).indices  # False before True
            staying, leaving = order[:-count], order[-count:]
            left.append((front.sources[leaving], take_rows(front.pool, leaving)))
            if not len(staying):
                break
            rows = _rows_of(staying, beam_size)
            front = front.only(staying, rows)
            trace.keep(rows)
    order = torch.cat([sources for sources, _ in left]).argsort()
    return _hypotheses(trace, take_rows(joined([pool for _, pool in left]), order).best(wanted), memory)


@dataclass(frozen=True)
class _Front:
    """Where the search stands: the sources still being decoded, and what has been written for them."""

    sources: Tensor  # [B], their places in the memory
    prepared: Any  # of B rows
    pool: Pool  # [B, K]
    ended: Tensor  # [B], how many of its hypotheses have finished
    state: Any  # of N rows
    written: Tensor  # [N, t], from the begin symbol on
    log_prob: Tensor  # [N]

    @classmethod
    def first(cls, decoder: Stepwise, memory: SourceMemory, strategy: Strategy, beam_size: int) -> _Front:
        """Return what the first step reads."""
        device, count = memory.mask.device, len(memory.mask)
        sources, prepared = torch.arange(count, device=device), decoder.prepare(memory)
        return cls(
            sources=sources,
            prepared=prepared,
            pool=Pool.empty(count, beam_size, device),
            ended=torch.zeros(count, dtype=torch.long, device=device),
            state=take_rows(decoder.start(prepared), sources.repeat_interleave(beam_size)),
            written=torch.full((count * beam_size, 1), BOS, device=device),
            log_prob=strategy.first_log_prob(count, beam_size).to(device),
        )

    def extended(self, step: Step, extension: Extension, finished: Pool) -> _Front:
        """Return what the next step reads."""
        return _Front(
            sources=self.sources,
            prepared=self.prepared,
            pool=self.pool.with_finished(finished),
            ended=self.ended + (finished.score > -math.inf).sum(1),
            state=take_rows(step.state, extension.rows),
            written=torch.cat([self.written[extension.rows], extension.tokens[:, None]], 1),
            log_prob=extension.log_prob,
        )

    def only(self, sources: Tensor, rows: Tensor) -> _Front:
        """Return the front with only some of its sources and their rows."""
        of_sources = (self.sources, self.prepared, self.pool, self.ended)
        of_rows = (self.state, self.written, self.log_prob)
        return _Front(*take_rows(of_sources, sources), *take_rows(of_rows, rows))


def _rows_of(sources: Tensor, beam_size: int) -> Tensor:
    return (sources[:, None] * beam_size + torch.arange(beam_size, device=sources.device)).view(-1)


def _finished(extension: Extension, length: int, length_penalty: float) -> Pool:
    rows, log_prob = extension.ended_rows, extension.ended_log_prob
    score = log_prob / penalty(length, length_penalty)
    return Pool(score, log_prob, torch.full_like(rows, length - 1), rows, torch.full_like(rows, EOS))


def _unfinished(extension: Extension, length: int, length_penalty: float, beam_size: int) -> Pool:
    rows, tokens, log_prob = (
        each.view(-1, beam_size) for each in (extension.rows, extension.tokens, extension.log_prob)
    )
    score = log_prob / penalty(length, length_penalty)
    return Pool(score, log_prob, torch.full_like(rows, length - 1), rows, tokens)


def _is_decided(
    pool: Pool, wanted: int, log_prob: Tensor, length: int, max_length: int, length_penalty: float
) -> Tensor:
    """Return for which sources [B] no hypothesis that goes on can end better than the worst wanted one in the pool.

    A log-probability only falls, so the best score that one may still reach is what it has now over the largest penalty
    to come. A beam of one is greedy search: its first end is its last.
    """
    beam_size = pool.score.shape[1]
    worst = pool.score[:, wanted - 1]
    if beam_size == 1:
        return worst > -math.inf
    longest = max_length if length_penalty > 0 else length + 1
    return log_prob.view(-1, beam_size).amax(1) / penalty(longest, length_penalty) <= worst


def _hypotheses(trace: Trace, pool: Pool, memory: SourceMemory) -> list[list[Hypothesis]]:
    """Return the hypotheses of a pool of all sources of `memory`, each with its tokens and weights."""
    sources, places = (pool.score > -math.inf).nonzero(as_tuple=True)  # [M], of what is no free place
    kept = [each[sources, places] for each in (pool.step, pool.row, pool.token)]
    tokens, before, weights, marks = trace.follow(*kept)
    masks = memory.mask.cpu()
    lengths = (kept[0] + 1).tolist()
    tokens, weights = tokens.cpu(), None if weights is None else weights.float().cpu()
    marks = map_tensors(marks, Tensor.cpu)
    found: list[list[Hypothesis]] = [[] for _ in memory.mask]
    scores, log_probs = pool.score[sources, places].tolist(), pool.log_prob[sources, places].tolist()
    before = before.cpu()
    for at, source in enumerate(sources.tolist()):
        of_weights, of_marks = seen(weights, marks, at, lengths[at], masks[source])
        found[source].append(
            Hypothesis(
                tokens=tuple(tokens[at, : lengths[at]].tolist()),
                log_prob=log_probs[at],
                score=scores[at],
                weights=of_weights,
                marks=of_marks,
                token_log_probs=tuple(np.diff(before[at, : lengths[at]].tolist(), append=log_probs[at]).tolist()),
            )
        )
    return found


def seen(
    weights: Tensor | None, marks: Marks | None, row: int, length: int, real: Tensor
) -> tuple[np.ndarray | None, Marks | None]:
    """Return the first `length` steps of a row of `weights` [M, T, S] and `marks` [M, T, ...] on the CPU.

    Positions are only the `real` [S] ones, which padding between the memories of several encoders may part.
    """
    if marks is not None:
        marks = map_tensors(marks, lambda steps: steps[row, :length]).among(real)
    return None if weights is None else weights[row, :length][:, real].numpy(), marks

"""CTC as a decoder that writes step by step: the probability of each next token given the tokens so far.

The probability of a prefix is that of all targets which begin with it, summed over all their alignments: the label
sequence probabilities of Graves et al. 2006 and of Watanabe et al. 2017, section II-C and algorithm 2. Over the next
tokens and the end it is divided without rest, so that its quotients are a distribution, as those of any decoder are.

B sources, K hypotheses of each, N = B*K rows in search, S source positions, V vocabulary. Probabilities of prefixes are
logarithms in float64: of a long source they are very small, and their quotients are wanted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from attncli.models.ctc import BLANK, CTC, NEVER
from attncli.models.decoders.decoder import Step
from attncli.models.memory import Memory
from attncli.text.tokenizer import BOS, EOS


@dataclass(frozen=True)
class Posteriors:
    """What every position of a source writes. One that is padding writes a blank for sure."""

    log_probs: Tensor  # [B, S, V]
    probs: Tensor  # [B, S, V]

    def of(self, tokens: Tensor) -> Tensor:
        """Return the log-probability [N, S] of each of `tokens` [N] at every position."""
        sources = torch.arange(len(tokens), device=tokens.device) // (len(tokens) // len(self.log_probs))
        return self.log_probs[sources, :, tokens].double()

    def sums(self, entering: Tensor) -> Tensor:
        """Return the logarithm [N, V] of Σ_s e_s p_s(token), with the logarithms of e in `entering` [N, S].

        What is less than about e^-700 of the largest e_s is 0.
        """
        largest = entering.amax(1, keepdim=True).clamp(min=NEVER)
        by_source = (entering - largest).exp().view(len(self.probs), -1, entering.shape[1])  # [B, K, S]
        return (by_source @ self.probs).flatten(0, 1).log() + largest


@dataclass(frozen=True)
class Prefixes:
    """The prefixes that were written, by where in the source they can have ended: after 0, 1, ..., S positions."""

    in_token: Tensor  # [N, S + 1], log-probability of the prefix, its last token written at the last position
    in_blank: Tensor  # [N, S + 1], a blank written there
    log_prob: Tensor  # [N], of all targets that begin with the prefix
    last: Tensor | None  # [N], its last token; None before the begin symbol is read

    @property
    def ended(self) -> Tensor:
        """The log-probability [N, S + 1] of having ended anywhere up to there, with whatever was written last."""
        return torch.logaddexp(self.in_token, self.in_blank)

    def entering(self, tokens: Tensor) -> Tensor:
        """Return the log-probability [N, S] with which a position may begin the next token, one of `tokens` [N].

        Between equal tokens there must be a blank, or they would be joined.
        """
        assert self.last is not None, "the begin symbol is read first"
        repeats = tokens == self.last
        return torch.where(repeats[:, None], self.in_blank, self.ended)[:, :-1]

    def after(self, tokens: Tensor, posteriors: Posteriors) -> Prefixes:
        """Return the prefixes followed by `tokens` [N]."""
        entering, written = self.entering(tokens), posteriors.of(tokens)
        in_token = _carried(entering, written)
        in_blank = _carried(in_token[:, :-1], posteriors.of(torch.full_like(tokens, BLANK)))
        return Prefixes(in_token, in_blank, _total(entering + written), tokens)


def _carried(entering: Tensor, log_probs: Tensor) -> Tensor:
    """Return log x_t for t = 0, ..., S, where x_0 = 0 and x_t = p_t (x_{t-1} + e_{t-1}).

    `entering` [N, S] holds log e, and `log_probs` [N, S] log p. Solved, x_t is the sum over all s up to t of e_{s-1}
    and the product of p_s, ..., p_t, so no loop over positions is needed.
    """
    passed = log_probs.cumsum(1)
    before = F.pad(passed[:, :-1], (1, 0))
    return F.pad(passed + (entering - before).logcumsumexp(1), (1, 0), value=-math.inf)


def _total(log_probs: Tensor) -> Tensor:
    """Return the logarithm [N] of the sum of probabilities [N, S], -inf where all of them count as 0."""
    total = log_probs.logsumexp(1)
    return total.masked_fill(total < NEVER / 2, -math.inf)


@dataclass(frozen=True)
class CTCPrefixes:
    """The same methods as a decoder has in a search, by an output layer over the memory."""

    ctc: CTC

    def prepare(self, memory: Memory) -> Posteriors:
        """Return what the positions of `memory` write."""
        log_probs = self.ctc.log_probs(memory)
        surely_blank = torch.full_like(log_probs[0, 0], NEVER)
        surely_blank[BLANK] = 0.0
        log_probs = torch.where(memory.mask[:, :, None], log_probs, surely_blank)
        return Posteriors(log_probs, log_probs.double().exp())

    def start(self, posteriors: Posteriors) -> Prefixes:
        """Return the empty prefix, a row per source."""
        in_blank = F.pad(posteriors.log_probs[:, :, BLANK].double().cumsum(1), (1, 0))
        in_token = torch.full_like(in_blank, -math.inf)
        return Prefixes(in_token, in_blank, torch.zeros_like(in_blank[:, 0]), None)

    def step(self, tokens: Tensor, state: Prefixes, posteriors: Posteriors) -> Step:
        """Return the log-probabilities [N, V] of what follows `tokens` [N], the begin symbol first, as logits.

        After a prefix of probability 0 there is only the end.
        """
        first = state.last is None
        state = replace(state, last=tokens) if first else state.after(tokens, posteriors)
        found = posteriors.sums(state.ended[:, :-1])
        again = _total(state.entering(tokens) + posteriors.of(tokens))
        found = found.scatter(1, tokens[:, None], again[:, None])
        found[:, EOS] = state.ended[:, -1]
        found[:, [BLANK, BOS]] = -math.inf
        only_end = torch.full_like(found[0], -math.inf)
        only_end[EOS] = 0.0
        is_possible = state.log_prob[:, None] > -math.inf
        # Rounding must not make a longer prefix more probable than a shorter one.
        logits = torch.where(is_possible, (found - state.log_prob[:, None]).clamp(max=0), only_end)
        return Step(logits.float(), None, state)

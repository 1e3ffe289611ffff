"""What a search may not write: forbidden tokens, an end that comes too early, repeated n-grams, other than a prefix.

N rows of a step, t tokens so far, the begin symbol counted, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from attncli.text.tokenizer import BOS, EOS, PAD

_FREE = -1  # where a prefix has ended


@dataclass(frozen=True)
class Constraints:
    """What may not be written, the same for every source but for its prefix."""

    forbidden: Sequence[int] = (PAD, BOS)
    min_length: int = 1
    """Of a target, the end symbol counted."""
    no_repeat_ngram_size: int | None = None
    """The length of the n-grams of which a target has none twice."""
    prefixes: Sequence[Sequence[int]] | None = None
    """With what the target of each source begins, whatever else is forbidden."""
    closed: bool = False
    """Whether the model chooses among what may be written alone, so that its probabilities sum to 1."""

    def apply(self, log_probs: Tensor, written: Tensor, sources: Tensor) -> None:
        """Set `log_probs` [N, V] to -inf for what may not follow `written` [N, t] for `sources` [N].

        A row that nothing else may follow may end.
        """
        length = written.shape[1]
        end = log_probs[:, EOS].clone()
        wanted = self._wanted(length, sources)
        given = None if wanted is None else log_probs.gather(1, wanted.clamp(min=0)[:, None])
        for token in (*self.forbidden, *((EOS,) if length < self.min_length else ())):
            log_probs[:, token] = -math.inf
        if self.no_repeat_ngram_size is not None and length > self.no_repeat_ngram_size:
            log_probs.scatter_(1, _would_repeat(written, self.no_repeat_ngram_size), -math.inf)
        is_stuck = log_probs.amax(1) == -math.inf
        log_probs[:, EOS] = torch.where(is_stuck, end, log_probs[:, EOS])
        if wanted is not None and given is not None:
            is_given = (wanted != _FREE)[:, None]
            only = torch.full_like(log_probs, -math.inf).scatter_(1, wanted.clamp(min=0)[:, None], given)
            log_probs.copy_(torch.where(is_given, only, log_probs))
        if self.closed:
            log_probs.sub_(log_probs.logsumexp(1, keepdim=True))

    def _wanted(self, length: int, sources: Tensor) -> Tensor | None:
        """Return the token [N] that the prefix of each row has at `length`, or None where no prefix is so long."""
        if self.prefixes is None or length > self._prefixes.shape[1]:
            return None
        return self._prefixes.to(sources.device)[sources, length - 1]

    @cached_property
    def _prefixes(self) -> Tensor:
        rows = [torch.tensor(prefix, dtype=torch.long) for prefix in self.prefixes or ()]
        return pad_sequence(rows, batch_first=True, padding_value=_FREE)


def _would_repeat(written: Tensor, size: int) -> Tensor:
    """Return the tokens [N, W] that would complete an n-gram of `size` which `written` [N, t] has; PAD for none."""
    ngrams = written.unfold(1, size, 1)  # [N, W, size]
    begun = written[:, written.shape[1] - size + 1 :]  # [N, size - 1]
    return ngrams[:, :, -1].masked_fill((ngrams[:, :, :-1] != begun[:, None]).any(-1), PAD)


UNCONSTRAINED = Constraints()
"""What holds for every search: padding and the begin symbol are never written."""

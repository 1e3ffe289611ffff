"""CTC by its definition: sums over all ways to write something at every position."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from attncli.models.ctc import CTC
from attncli.models.memory import Memory
from attncli.text.tokenizer import PAD, UNK

VOCABULARY = 6
LABELS = (UNK, 4, 5)
"""What can be written besides a blank."""

Target = tuple[int, ...]


def collapsed(path: Sequence[int]) -> Target:
    """Return what `path` writes."""
    joined = [token for token, _ in itertools.groupby(path)]
    return tuple(token for token in joined if token != PAD)


def targets(log_probs: Tensor) -> dict[Target, float]:
    """Return the probability of everything that the positions with `log_probs` [S, V] can write."""
    found: dict[Target, float] = {}
    for path in itertools.product((PAD, *LABELS), repeat=len(log_probs)):
        probability = math.exp(sum(float(log_probs[at, token]) for at, token in enumerate(path)))
        found[collapsed(path)] = found.get(collapsed(path), 0.0) + probability
    return found


def prefixes(known: dict[Target, float]) -> dict[Target, float]:
    """Return for every prefix of the `known` targets the probability of all that begin with it."""
    found: dict[Target, float] = {}
    for target, probability in known.items():
        for length in range(len(target) + 1):
            found[target[:length]] = found.get(target[:length], 0.0) + probability
    return found


def some_ctc(*, seed: int = 1, sharpness: float = 2.0, weight: float = 0.3) -> tuple[CTC, Memory]:
    """Return CTC over a memory of sources with 4, 5 and 2 positions."""
    torch.manual_seed(seed)
    ctc = CTC(7, nn.Embedding(VOCABULARY, 3), weight=weight)
    states, lengths = sharpness * torch.randn(3, 5, 7), torch.tensor([4, 5, 2])
    mask = torch.arange(5) < lengths[:, None]
    return ctc, Memory.of(states, mask, states[:, 0])


def sources(ctc: CTC, memory: Memory) -> Iterator[dict[Target, float]]:
    """Yield what each source of `memory` can write."""
    for log_probs, mask in zip(ctc.log_probs(memory).detach(), memory.mask, strict=True):
        yield targets(log_probs[mask])

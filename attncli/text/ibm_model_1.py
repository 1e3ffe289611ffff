"""IBM model 1: how probable each token of a target is as the translation of each token of its source.

Brown, Della Pietra, Della Pietra and Mercer 1993, "The Mathematics of Statistical Machine Translation", section 4.2,
with no empty word on the side of the source.

L links: pairs of tokens that occur together in a pair of sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Pair = tuple[Array, Array]
"""The ids of a source and of its target."""

_CHUNK = 1 << 20  # occurrences of links that are taken together, a bound on memory
_SHIFT = 32  # a link is one number: the source's id shifted by so many bits, and the target's


@dataclass(frozen=True)
class Links:
    """Each link once, in the order of its source's id and then its target's."""

    source: Array  # [L] int64
    target: Array  # [L] int64
    probability: Array  # [L] float64, of the target given the source; they sum to 1 for each source


@dataclass(frozen=True)
class _Chunk:
    """Occurrences of links in some pairs: for each token of a target, those with every token of its source."""

    links: Array  # which link each occurrence is of
    starts: Array  # the first occurrence for each token of a target


def translation_links(pairs: Iterable[Pair], *, steps: int) -> Links:
    """Return the links of `pairs` after some `steps` of expectation-maximisation from uniform probabilities.

    Takes 4 bytes for every product of the lengths of a pair, and some numbers for each link.
    """
    links, chunks = _numbered([_occurrences(some) for some in _in_chunks(pairs)])
    source = links >> _SHIFT
    probability = np.ones(len(links))
    for _ in range(steps):
        counts = np.zeros(len(links))
        for chunk in chunks:
            shares = probability[chunk.links]
            # What a target's token is the translation of is shared out among all tokens of its source (equation 17).
            totals = np.add.reduceat(shares, chunk.starts)
            shares /= totals.repeat(np.diff(chunk.starts, append=len(shares)))
            counts += np.bincount(chunk.links, shares, minlength=len(links))
        probability = counts / np.bincount(source, counts)[source]
    return Links(source, links & ((1 << _SHIFT) - 1), probability)


def _in_chunks(pairs: Iterable[Pair]) -> Iterator[list[Pair]]:
    chunk: list[Pair] = []
    size = 0
    for source, target in pairs:
        if len(source) and len(target):
            chunk.append((source, target))
            size += len(source) * len(target)
        if size >= _CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _occurrences(pairs: list[Pair]) -> tuple[Array, _Chunk]:
    """Return the links of `pairs` in ascending order, and the chunk that numbers them so."""
    occurring = [
        ((source.astype(np.int64) << _SHIFT)[None] + target.astype(np.int64)[:, None]).ravel()
        for source, target in pairs
    ]
    widths = np.concatenate([np.full(len(target), len(source)) for source, target in pairs])
    links, numbers = np.unique(np.concatenate(occurring), return_inverse=True)
    return links, _Chunk(numbers.astype(np.int32), np.cumsum(widths) - widths)


def _numbered(found: list[tuple[Array, _Chunk]]) -> tuple[Array, list[_Chunk]]:
    """Return the links of all chunks in ascending order, and the chunks with the numbers that these have there."""
    links = np.unique(np.concatenate([np.zeros(0, np.int64), *(own for own, _ in found)]))
    return links, [
        _Chunk(np.searchsorted(links, own).astype(np.int32)[chunk.links], chunk.starts) for own, chunk in found
    ]

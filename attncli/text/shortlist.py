"""Which tokens may be written for a source: the likeliest translations of its tokens, and the most frequent tokens.

Jean, Cho, Memisevic and Bengio 2015, "On Using Very Large Target Vocabulary for Neural Machine Translation", section
3.3; here the translations of a token are others than the most frequent tokens, which are there anyway.

B sources, K translations of a token, F frequent tokens, V vocabulary of targets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from attncli.config.search import LONGEST_SHORTLIST
from attncli.text.ibm_model_1 import Links, Pair, translation_links
from attncli.text.tokenizer import BOS, EOS, PAD, UNK

Array = npt.NDArray[Any]

FREQUENT = 1000
"""The most frequent tokens that may be written for every source."""
_STEPS = 3  # of expectation-maximisation; more of them list hardly anything else


@dataclass(frozen=True)
class Shortlist:
    """What may be written for a token of a source, and for every source."""

    translations: Array  # [vocabulary of sources, K] int32, the likeliest first; PAD where there are fewer
    frequent: Array  # [F] int32, the most frequent first

    def first(self, count: int) -> Shortlist:
        """Return the list with only the `count` likeliest translations of a token."""
        return Shortlist(self.translations[:, :count], self.frequent)

    def candidates(self, sources: Sequence[Array], *, vocabulary: int, also: Sequence[int] = ()) -> Array:
        """Return which tokens may be written for each of `sources`, ids of any number: [B, V] bool.

        Special symbols always may, and so may the tokens `also`.
        """
        found = np.zeros((len(sources), vocabulary), bool)
        found[:, self.frequent] = True
        found[:, [PAD, BOS, EOS, UNK, *also]] = True
        for row, source in zip(found, sources, strict=True):
            row[self.translations[source]] = True
        return found


def joined(shortlists: Sequence[Shortlist]) -> Shortlist:
    """Return what may be written by any of `shortlists`, which are of the same vocabularies."""
    return Shortlist(
        np.concatenate([each.translations for each in shortlists], 1),
        np.concatenate([each.frequent for each in shortlists]),
    )


def learned_shortlist(pairs: Iterable[Pair], *, source_vocabulary: int, target_vocabulary: int) -> Shortlist:
    """Return the list of the longest length that `pairs` of ids without end symbols show, by IBM model 1.

    Words that a decoder copies, with ids beyond the vocabulary, are left out.
    """
    known = [(source, target[target < target_vocabulary]) for source, target in pairs]
    written = np.concatenate([np.zeros(0, np.int64), *(target for _, target in known)])
    counts = np.bincount(written.astype(np.int64), minlength=target_vocabulary)
    order = np.argsort(-counts, kind="stable")[:FREQUENT]
    frequent = order[counts[order] > 0]
    links = translation_links(known, steps=_STEPS)
    translations = _likeliest(links, but=frequent, vocabulary=source_vocabulary)
    return Shortlist(translations, frequent.astype(np.int32))


def _likeliest(links: Links, *, but: Array, vocabulary: int) -> Array:
    """Return for each token of the sources' `vocabulary` its likeliest targets, those in `but` left out."""
    others = ~np.isin(links.target, but)
    source, target, probability = links.source[others], links.target[others], links.probability[others]
    order = np.lexsort((target, -probability, source))
    source, target = source[order], target[order]
    rank = np.arange(len(source)) - np.searchsorted(source, source)
    found = np.full((vocabulary, LONGEST_SHORTLIST), PAD, np.int32)
    first = rank < LONGEST_SHORTLIST
    found[source[first], rank[first]] = target[first]
    return found

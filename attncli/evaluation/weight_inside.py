"""How much of the attention's weight lies where the words mean: in the gold places of a test set.

S positions of a source, P places.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from attncli.config.search import Search
from attncli.data.gold_places import GoldPlace
from attncli.decoding.written import Written
from attncli.errors import DataError
from attncli.evaluation.test_set import EvaluationSet
from attncli.metrics.metric import Array, SentenceStatistics
from attncli.runs.writing import WritingRun
from attncli.sources.source import Locator
from attncli.text.tokenizer import Tokenizer
from attncli.text.words_of_tokens import words_of_tokens


def weight_inside(run: WritingRun, test: EvaluationSet, search: Search) -> tuple[SentenceStatistics, ...]:
    """Return the weight of `run` inside the gold places of each source of `test` while it writes the first reference.

    There is one number, of a label that several looks lead to one for each; none without attention or places. The
    weights of a word are the mean of those of its tokens, and its share is of the weight over the source that the place
    is in. Raises DataError if `run` reads no sources that have such places.
    """
    if test.gold is None or not run.attends:
        return ()
    locator = run.locator()
    for kind in sorted({place.kind for places in test.gold for place in places}):
        if locator is None or kind not in locator.kinds:
            raise DataError(
                f"{run.folder}: gold places of the test set {test.name!r} are given by {kind!r}, which is not known of "
                f"{run.noun}s; remove data.test.{test.name}.places"
            )
    assert locator is not None, "there are places"
    pairs = zip(test.cells, (text or "" for text in test.references[0]), strict=True)
    # CTC has no weights, and some targets it cannot write.
    found = run.writer(search.model_copy(update={"ctc_weight": 0.0, "shortlist": 0})).align(pairs)
    rows = [_sums(each, places, locator, run.tokenizers.target) for each, places in zip(found, test.gold, strict=True)]
    by_look = np.stack(rows, 1)  # [looks, sources, 3]
    return tuple(SentenceStatistics(of_look, signature="", score_of=_inside) for of_look in by_look)


def _sums(found: Written, places: Sequence[GoldPlace], locator: Locator, tokenizer: Tokenizer) -> Array:
    """Return the sums over words with a place of the weight inside and of that of equal weights, and their number.

    They are of each look, [looks, 3].
    """
    best = found.best
    assert best.weights is not None, "the run attends"
    words = words_of_tokens(best.tokens, tokenizer)
    shares_of = list(zip(places, locator.shares(found, places), strict=True)) if places else []
    looks = best.weights[:, None] if best.looks else best.weights[None]  # [looks, tokens, ...]
    return np.array([_sums_of_look(weights, words, shares_of) for weights in looks])


def _sums_of_look(weights: Array, words: Sequence[Sequence[int]], places: Sequence[tuple[GoldPlace, Array]]) -> Array:
    sums = np.zeros(3)
    for place, shares in places:
        here = ~np.isnan(shares)
        of_source = weights.reshape(len(weights), -1)[:, here]
        for word in place.words:
            row = of_source[[word in of_token for of_token in words]].mean(0)
            # A window may lie wholly in another source.
            inside = row @ shares[here] / row.sum() if row.any() else 0.0
            sums += inside, shares[here].mean(), 1
    return sums


def _inside(totals: Array) -> float:
    """Return the share in percent; of a resample without a word it is 0."""
    return 100 * float(totals[0] / max(totals[2], 1))

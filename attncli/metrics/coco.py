"""The metrics of the COCO caption evaluation: BLEU-1 to BLEU-4, ROUGE-L and CIDEr-D on its own tokens.

Chen et al. 2015, "Microsoft COCO captions". They differ from sacreBLEU's: tokens are lower-cased without punctuation,
nothing is smoothed, and the brevity penalty takes the reference of the closest length, the shorter of two.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial

import numpy as np

from attncli.metrics.caption_tokens import caption_tokens
from attncli.metrics.metric import Array, Metric, References, SentenceStatistics, by_sentence, mean_of_scores

ORDERS = 4
_ROUGE_BETA = 1.2
_CIDER_SIGMA = 6.0

Tokens = list[str]
NGrams = Counter[tuple[str, ...]]

# Every metric reads the same references again for every system.
_tokens = lru_cache(maxsize=2**16)(caption_tokens)


def _tokenised(hypotheses: Sequence[str], references: References) -> list[tuple[Tokens, list[Tokens]]]:
    """Return the tokens of each hypothesis, and those of its references."""
    pairs = zip(hypotheses, by_sentence(hypotheses, references), strict=True)
    return [(_tokens(hypothesis), [_tokens(text) for text in texts]) for hypothesis, texts in pairs]


def _ngrams(tokens: Tokens, order: int) -> NGrams:
    return Counter(tuple(tokens[at : at + order]) for at in range(len(tokens) - order + 1))


def _signature(references: References, name: str) -> str:
    counts = {sum(text is not None for text in texts) for texts in zip(*references, strict=True)}
    return f"nrefs:{counts.pop() if len(counts) == 1 else 'var'}|case:lc|tok:coco|{name}"


# BLEU


def _bleu(order: int, hypotheses: Sequence[str], references: References) -> SentenceStatistics:
    """Return per sentence the lengths of hypothesis and closest reference, and matches and n-grams of each order."""
    rows = [_bleu_row(tokens, others, order) for tokens, others in _tokenised(hypotheses, references)]
    signature = _signature(references, f"smooth:none|order:{order}")
    return SentenceStatistics(np.array(rows, dtype=np.float64), signature, partial(_bleu_score, order))


def _bleu_row(tokens: Tokens, references: list[Tokens], order: int) -> list[int]:
    closest = min((abs(len(other) - len(tokens)), len(other)) for other in references)[1]
    row = [len(tokens), closest]
    for size in range(1, order + 1):
        most: NGrams = Counter()
        for other in references:
            most |= _ngrams(other, size)
        own = _ngrams(tokens, size)
        row += [(own & most).total(), own.total()]
    return row


def _bleu_score(order: int, totals: Array) -> float:
    length, closest, *counts = totals.tolist()
    matches, ngrams = counts[0::2], counts[1::2]
    if not all(matches):
        return 0.0
    logarithms = [math.log(found / there) for found, there in zip(matches, ngrams, strict=True)]
    return 100 * math.exp(sum(logarithms) / order + min(0.0, 1 - closest / length))


# ROUGE-L


def _rouge_l(hypotheses: Sequence[str], references: References) -> SentenceStatistics:
    """Lin 2004, with the largest precision and recall over the references and β = 1.2, as in the COCO evaluation."""
    scores = [_rouge_of(tokens, others) for tokens, others in _tokenised(hypotheses, references)]
    return mean_of_scores(scores, _signature(references, "beta:1.2"), scale=100)


def _rouge_of(tokens: Tokens, references: list[Tokens]) -> float:
    common = [_common_length(tokens, other) for other in references]
    if not any(common):
        return 0.0
    precision = max(common) / len(tokens)
    recall = max(shared / max(1, len(other)) for shared, other in zip(common, references, strict=True))
    return (1 + _ROUGE_BETA**2) * precision * recall / (recall + _ROUGE_BETA**2 * precision)


def _common_length(tokens: Tokens, others: Tokens) -> int:
    """Return the length of the longest common subsequence."""
    row = [0] * (len(others) + 1)
    for token in tokens:
        diagonal = 0
        for at, other in enumerate(others, start=1):
            diagonal, row[at] = row[at], diagonal + 1 if token == other else max(row[at], row[at - 1])
    return row[-1]


# CIDEr


def _cider(hypotheses: Sequence[str], references: References) -> SentenceStatistics:
    """CIDEr-D (Vedantam et al. 2015, section 5), with document frequencies from the references of all sentences."""
    pairs = _tokenised(hypotheses, references)
    scores = CiderD([others for _, others in pairs]).scores([tokens for tokens, _ in pairs])
    return mean_of_scores(scores, _signature(references, "cider:d|df:test"), scale=1)


class DocumentFrequencies:
    """Number of images with a given n-gram in any of their references."""

    def __init__(self, references: Iterable[Sequence[Tokens]]):
        self._counts: NGrams = Counter()
        images = 0
        for texts in references:
            self._counts.update(set().union(*map(_all_ngrams, texts)))
            images += 1
        self._images = math.log(images)

    def rarity(self, ngram: tuple[str, ...]) -> float:
        """Return log(images / images with `ngram`), with at least 1 in the denominator."""
        return self._images - math.log(max(1, self._counts[ngram]))


class CiderD:
    """Scores captions against references by n-grams, weighted by their rarity in the references of all images.

    All images are those of `references`, unless `frequencies` of others are given. Scores are between 0 and 10. With a
    single image every n-gram is in all images, so that all scores are 0.
    """

    def __init__(self, references: Sequence[Sequence[Tokens]], frequencies: DocumentFrequencies | None = None):
        self._frequencies = frequencies or DocumentFrequencies(references)
        self._references = [[self._vector(_all_ngrams(tokens)) for tokens in texts] for texts in references]

    def scores(self, hypotheses: Sequence[Tokens]) -> list[float]:
        """Return the score of one hypothesis for each of the images."""
        vectors = (self._vector(_all_ngrams(tokens)) for tokens in hypotheses)
        return [
            10 * float(np.mean([_similarity(vector, other) for other in others]))
            for vector, others in zip(vectors, self._references, strict=True)
        ]

    def score(self, hypothesis: Tokens, image: int) -> float:
        """Return the score of a hypothesis for image number `image`, from 0."""
        vector = self._vector(_all_ngrams(hypothesis))
        return 10 * float(np.mean([_similarity(vector, other) for other in self._references[image]]))

    def _vector(self, ngrams: NGrams) -> _Vector:
        weights: list[dict[tuple[str, ...], float]] = [{} for _ in range(ORDERS)]
        for ngram, count in ngrams.items():
            weights[len(ngram) - 1][ngram] = count * self._frequencies.rarity(ngram)
        norms = [math.sqrt(sum(weight**2 for weight in order.values())) for order in weights]
        # Length in bigrams, as in the published code, which counts orders from 0 and adds up `if n == 1`.
        return _Vector(weights, norms, sum(count for ngram, count in ngrams.items() if len(ngram) == 2))


class _Vector:
    """The weights of a caption's n-grams and their norm for each order, and its length in bigrams."""

    def __init__(self, weights: list[dict[tuple[str, ...], float]], norms: list[float], length: int):
        self.weights, self.norms, self.length = weights, norms, length


def _all_ngrams(tokens: Tokens) -> NGrams:
    return Counter(
        tuple(tokens[at : at + order]) for order in range(1, ORDERS + 1) for at in range(len(tokens) - order + 1)
    )


def _similarity(one: _Vector, other: _Vector) -> float:
    """Return the mean over the orders of the clipped cosine, with a Gaussian penalty on the difference in length."""
    total = 0.0
    for mine, theirs, norm, other_norm in zip(one.weights, other.weights, one.norms, other.norms, strict=True):
        shared = sum(min(weight, theirs[ngram]) * theirs[ngram] for ngram, weight in mine.items() if ngram in theirs)
        total += shared / (norm * other_norm) if norm and other_norm else shared
    return total / ORDERS * math.exp(-((one.length - other.length) ** 2) / (2 * _CIDER_SIGMA**2))


def _bleu_metric(order: int) -> Metric:
    measure: Callable[[Sequence[str], References], SentenceStatistics] = partial(_bleu, order)
    return Metric(f"BLEU-{order}", lower_is_better=False, measure=measure)


BLEU_N = {f"bleu_{order}": _bleu_metric(order) for order in range(1, ORDERS + 1)}
ROUGE_L = Metric("ROUGE-L", lower_is_better=False, measure=_rouge_l)
CIDER = Metric("CIDEr", lower_is_better=False, measure=_cider, digits=3)

"""CIDEr-D as loops over its definition, and some captions to score."""

from __future__ import annotations

import math

import numpy as np

from attncli.metrics.caption_tokens import caption_tokens

HYPOTHESES = ["A dog runs over the grass .", "Two men sit", "A woman reads a red book on a bench", "Dogs"]
REFERENCES = [
    ["A dog runs across the green grass .", "Two men sit on a bench .", "She reads a book .", "A cat"],
    ["The dog runs over grass .", "Two men are sitting down .", "A woman reads a red book .", "Two cats sleep"],
    ["Dog", "Men sitting outside .", "Someone is reading", "Cats sleep ."],
]


def ngrams(words: list[str], order: int) -> list[tuple[str, ...]]:
    """Return the n-grams of `order` words, in their order."""
    return [tuple(words[at : at + order]) for at in range(len(words) - order + 1)]


def cider_by_definition(
    hypotheses: list[str], references: list[list[str]], documents: list[list[str]] | None = None
) -> list[float]:
    """Return Vedantam et al. 2015, equations 1 to 4 and CIDEr-D of section 5, with dense vectors.

    Document frequencies are of the images of `documents`, which are written as `references` are.
    """
    images = [[caption_tokens(text) for text in texts] for texts in zip(*references, strict=True)]
    counted = [[caption_tokens(text) for text in texts] for texts in zip(*(documents or references), strict=True)]
    totals = np.zeros(len(images))
    for order in (1, 2, 3, 4):
        vocabulary = sorted(
            {ngram for texts in images for text in texts for ngram in ngrams(text, order)}
            | {ngram for text in hypotheses for ngram in ngrams(caption_tokens(text), order)}
        )
        there = [{ngram for text in texts for ngram in ngrams(text, order)} for texts in counted]
        rarity = np.array([math.log(len(counted) / max(1, sum(gram in each for each in there))) for gram in vocabulary])

        def vector(words: list[str], order: int = order, vocabulary: list[tuple[str, ...]] = vocabulary) -> np.ndarray:
            return np.array([ngrams(words, order).count(ngram) for ngram in vocabulary], float)

        for image, (text, others) in enumerate(zip(hypotheses, images, strict=True)):
            words = caption_tokens(text)
            mine = vector(words) * rarity
            for other in others:
                theirs = vector(other) * rarity
                norms = np.linalg.norm(mine) * np.linalg.norm(theirs)
                gap = max(0, len(words) - 1) - max(0, len(other) - 1)
                cosine = (np.minimum(mine, theirs) @ theirs) / norms if norms else 0
                totals[image] += cosine * math.exp(-(gap**2) / 72) / len(others) / 4
    return list(10 * totals)

"""Rewards of single targets against their references, for self-critical training.

M sources.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from attncli.metrics.caption_tokens import caption_tokens
from attncli.metrics.coco import CiderD, DocumentFrequencies
from attncli.metrics.rouge import f1

_LONGEST = 4  # n-grams that GLEU counts, in words


class Reward(Protocol):
    """Scores texts against references."""

    def __call__(self, texts: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> list[list[float]]:
        """Return the reward of each of the `texts` of M sources against the `references` of its source."""


class Cider:
    """CIDEr-D (Vedantam et al. 2015) with the document frequencies of the training targets."""

    def __init__(self, training: Iterable[Sequence[str]]):
        self._frequencies = DocumentFrequencies(list(map(caption_tokens, texts)) for texts in training)

    def __call__(self, texts: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> list[list[float]]:
        """Return the reward of each of `texts`."""
        # Only the references at hand: the n-grams of all of a large corpus would take gigabytes.
        scorer = CiderD([list(map(caption_tokens, found)) for found in references], self._frequencies)
        return [
            [scorer.score(caption_tokens(text), source) for text in of_source] for source, of_source in enumerate(texts)
        ]


class Gleu:
    """GLEU, the smaller of precision and recall of all n-grams of up to four words (Wu et al. 2016, section 8.1).

    Words are separated by white space. Of several references the best counts.
    """

    def __init__(self, training: Iterable[Sequence[str]]):
        """Ignore the `training` targets, since GLEU needs no corpus statistics."""

    def __call__(self, texts: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> list[list[float]]:
        """Return the reward of each of `texts`."""
        return [
            [max(gleu(text, reference) for reference in found) for text in of_source]
            for of_source, found in zip(texts, references, strict=True)
        ]


def gleu(text: str, reference: str) -> float:
    """Return the GLEU of `text` against `reference`, between 0 and 1."""
    found, wanted = _ngrams(text), _ngrams(reference)
    most = max(found.total(), wanted.total())
    return (found & wanted).total() / most if most else 0.0


def _ngrams(text: str) -> Counter[tuple[str, ...]]:
    words = text.split()
    return Counter(
        tuple(words[start : start + size]) for size in range(1, _LONGEST + 1) for start in range(len(words) - size + 1)
    )


class Rouge:
    """The F1 of ROUGE-L (Lin 2004), as `eval` measures it; of several references the best counts.

    Paulus et al. 2018 learn from it.
    """

    def __init__(self, training: Iterable[Sequence[str]]):
        """Ignore the `training` targets, since ROUGE needs no corpus statistics."""

    def __call__(self, texts: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> list[list[float]]:
        """Return the reward of each of `texts`."""
        return [
            [f1("rougeL", text, found) for text in of_source]
            for of_source, found in zip(texts, references, strict=True)
        ]


REWARDS: dict[str, Callable[[Iterable[Sequence[str]]], Reward]] = {
    "cider": Cider,
    "gleu": Gleu,
    "rougeL": Rouge,
}
"""By name: from the training targets of each source to the reward."""

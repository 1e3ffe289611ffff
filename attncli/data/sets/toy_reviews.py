"""Artificial reviews of a stay: one sentence of each says what the guest thinks, the others only what there was.

A label is negative, neutral or positive. Neutral reviews give no opinion. Half of the opinions are negated ("not at all
dirty"), and what is said of the other things has the same words whatever the label, so that it lies in a few words that
may stand anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple

from attncli.data.sets.filling import filling
from attncli.files.writing import open_output

COLUMNS = ("text", "label", "kind", "split")
_FEWEST, _MOST = 3, 9  # sentences without an opinion
_THINGS = ("room", "bed", "breakfast", "lift", "garden", "pool", "bar", "view", "window", "street", "bath", "desk")
_PLACES = ("on the first floor", "at the back", "near the station", "by the sea", "next door", "in the old house")
_FACTS = ("is", "was", "lies", "stands")
_GOOD = ("clean", "lovely", "quiet", "friendly", "excellent", "comfortable")
_BAD = ("dirty", "horrible", "noisy", "rude", "dreadful", "shabby")
_NEGATIONS = ("not at all", "never", "hardly", "not one bit")
_EMPHASES = ("very", "always", "quite", "really")


@dataclass(frozen=True)
class ToyReviewSizes:
    """How many reviews to make."""

    train: int = 3_000
    dev: int = 300
    test: int = 600


class _Review(NamedTuple):
    text: str
    label: str
    kind: str  # of its opinion: none, plain or negated


def make_toy_reviews(folder: Path, sizes: ToyReviewSizes, *, seed: int) -> None:
    """Write `reviews.tsv` into `folder`; equal seeds and sizes give equal bytes.

    A line has a review, its label, the kind of its opinion and the split; no review occurs twice. Raises DataError if
    the file cannot be written, or would replace another (`filling`).
    """
    reviews = _reviews(Random(seed))
    with filling(folder) as aside, open_output(aside / "reviews.tsv") as table:
        table.write("\t".join(COLUMNS) + "\n")
        # Test comes first and train last, so that another amount of training text does not change the test.
        for split, count in (("test", sizes.test), ("dev", sizes.dev), ("train", sizes.train)):
            for _ in range(count):
                table.write("\t".join((*next(reviews), split)) + "\n")


def _reviews(random: Random) -> Iterator[_Review]:
    """Yield reviews without end, none twice."""
    seen: set[str] = set()
    while True:
        review = _review(random)
        if review.text not in seen:
            seen.add(review.text)
            yield review


def _review(random: Random) -> _Review:
    sentences = [_fact(random) for _ in range(random.randint(_FEWEST, _MOST))]
    label = random.choice(("negative", "neutral", "positive"))
    if label == "neutral":
        return _Review(" ".join(sentences), label, "none")
    kind = random.choice(("plain", "negated"))
    words = _GOOD if (label == "positive") == (kind == "plain") else _BAD
    stress = random.choice(_EMPHASES if kind == "plain" else _NEGATIONS)
    opinion = f"The {random.choice(_THINGS)} was {stress} {random.choice(words)}."
    sentences.insert(random.randint(0, len(sentences)), opinion)
    return _Review(" ".join(sentences), label, kind)


def _fact(random: Random) -> str:
    return f"The {random.choice(_THINGS)} {random.choice(_FACTS)} {random.choice(_PLACES)}."

"""Artificial paragraphs with summaries of one sentence.

A paragraph tells what several people do, a sentence each time; its first sentence says whom it is about. The summary is
the last thing that this person does, and where. So the right sentence may stand anywhere, even a hundred words from the
start, and most places occur in one paragraph alone: their names can be copied, but not learned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from attncli.data.sets.filling import filling
from attncli.files.writing import open_output

_FEWEST, _MOST = 2, 20  # sentences after the first
_PEOPLE = 4  # at most, in a paragraph
_VERBS = ("sleeps", "dances", "reads", "waits", "sings", "works", "hides", "eats", "plays", "paints")
_ADVERBS = ("quietly", "often", "now", "again", "alone", "at night", "for hours", "with a friend")
_PREPOSITIONS = ("in", "near", "behind", "above")
_NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gwen", "Hugo", "Ines", "Jon", "Kim", "Lena")


@dataclass(frozen=True)
class ToyParagraphSizes:
    """How many paragraphs to make."""

    train: int = 10_000
    dev: int = 300
    test: int = 600


@dataclass(frozen=True)
class _Paragraph:
    text: str
    summary: str


def make_toy_paragraphs(folder: Path, sizes: ToyParagraphSizes, *, seed: int) -> None:
    """Write `{train,dev,test}.{source,target}` into `folder`; equal seeds and sizes give equal bytes.

    No paragraph occurs twice. Raises DataError if the files cannot be written, or would replace other files
    (`filling`).
    """
    paragraphs = _paragraphs(Random(seed))
    with filling(folder) as aside:
        # Test comes first and train last, so that another amount of training text does not change the test.
        for name, count in (("test", sizes.test), ("dev", sizes.dev), ("train", sizes.train)):
            with open_output(aside / f"{name}.source") as source, open_output(aside / f"{name}.target") as target:
                for _ in range(count):
                    paragraph = next(paragraphs)
                    source.write(paragraph.text + "\n")
                    target.write(paragraph.summary + "\n")


def _paragraphs(random: Random) -> Iterator[_Paragraph]:
    """Yield paragraphs without end, none twice."""
    seen: set[str] = set()
    while True:
        paragraph = _paragraph(random)
        if paragraph.text not in seen:
            seen.add(paragraph.text)
            yield paragraph


def _paragraph(random: Random) -> _Paragraph:
    people = random.sample(_NAMES, random.randint(2, _PEOPLE))
    count = random.randint(_FEWEST, _MOST)
    doers = [random.choice(people) for _ in range(count)]
    doers[random.randrange(count)] = people[0]
    sentences = [f"This is about {people[0]}."]
    summary = ""
    for doer in doers:
        deed = f"{doer} {random.choice(_VERBS)} {random.choice(_PREPOSITIONS)} {_place(random)}"
        if doer == people[0]:
            summary = f"{deed}."
        adverb = f" {random.choice(_ADVERBS)}" if random.random() < 0.5 else ""
        sentences.append(f"{deed}{adverb}.")
    return _Paragraph(" ".join(sentences), summary)


def _place(random: Random) -> str:
    syllables = (random.choice("bdfgklmnprstvz") + random.choice("aeiou") for _ in range(random.choice((2, 3, 3))))
    return "".join(syllables).capitalize()

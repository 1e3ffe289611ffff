"""Questions about small images of coloured shapes: their colour, their shape, how many, and what lies beside them.

Of one image several things are asked, so that neither image nor question has the answer alone. By the question, every
colour is as likely (6), every shape (5) and every number (4, from 0 to 3).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple

from attncli.data.sets.filling import filling
from attncli.data.sets.toy_shapes import MOST_OBJECTS, RADII, SIDE, ToyObject, draw, is_clear, relation, scene
from attncli.files.writing import open_output

COLUMNS = ("image", "question", "answer", "type", "split", "box")


@dataclass(frozen=True)
class ToyQuestionSizes:
    """How many images to make; each has three or four questions."""

    train: int = 10_000
    dev: int = 200
    test: int = 400


class ToyQuestion(NamedTuple):
    """A question about an image."""

    question: str
    answer: str
    type: str
    asked: ToyObject | None  # the object whose colour or shape is the answer


def make_toy_questions(folder: Path, sizes: ToyQuestionSizes, *, seed: int) -> None:
    """Write `images/`, `questions.tsv` and files of gold places into `folder`; equal seeds and sizes give equal files.

    A line of the table has an image, a question, its answer, the type of the question, the split (train, dev or test)
    and the box (left, top, right, bottom, in pixels) of the object that is asked about, which is empty for numbers;
    `places-dev.jsonl` and `places-test.jsonl` have those boxes as gold places of the answers (`data.gold_places`).
    Raises DataError if the files cannot be written, or would replace or mix with other files (`filling`).
    """
    random = Random(seed)
    with (
        filling(folder, exactly=True) as aside,
        open_output(aside / "questions.tsv") as table,
        open_output(aside / "places-test.jsonl") as of_test,
        open_output(aside / "places-dev.jsonl") as of_dev,
    ):
        places = {"test": of_test, "dev": of_dev}
        (aside / "images").mkdir()
        table.write("\t".join(COLUMNS) + "\n")
        # Test comes first and train last, so that another number of training images does not change the test.
        for split, count in (("test", sizes.test), ("dev", sizes.dev), ("train", sizes.train)):
            for number in range(1, count + 1):
                objects, questions = asked_scene(random)
                image = f"{split}-{number:05}.png"
                draw(objects, random, aside / "images" / image)
                for each in questions:
                    cells = (image, each.question, each.answer, each.type, split, _box(each.asked))
                    table.write("\t".join(cells) + "\n")
                    if split in places:
                        places[split].write(json.dumps({"source": each.question, "places": _places(each.asked)}) + "\n")


def _box(asked: ToyObject | None) -> str:
    return "" if asked is None else " ".join(f"{edge:.1f}" for edge in asked.box)


def _places(asked: ToyObject | None) -> list[dict[str, object]]:
    """Return the gold place of an answer, which is one word."""
    return [] if asked is None else [{"words": [0], "box": [round(edge / SIDE, 4) for edge in asked.box]}]


def asked_scene(random: Random) -> tuple[list[ToyObject], list[ToyQuestion]]:
    """Return a scene, and a question about it of each type; one object alone has nothing beside it."""
    size, other = random.sample(sorted(RADII), 2)
    wanted = random.randint(0, MOST_OBJECTS)
    count = random.randint(max(1, wanted), MOST_OBJECTS)
    sizes = random.sample([size] * wanted + [other] * (count - wanted), count)
    beside: list[ToyQuestion] = []
    objects = scene(random, count, sizes=sizes)
    while count > 1 and not (beside := list(_beside(objects))):
        objects = scene(random, count, sizes=sizes)
    coloured, shaped = random.choice(objects), random.choice(objects)
    questions = [
        ToyQuestion(f"what colour is the {coloured.shape} ?", coloured.colour, "colour", coloured),
        ToyQuestion(f"what shape is the {shaped.colour} object ?", shaped.shape, "shape", shaped),
        ToyQuestion(f"how many {size} objects are there ?", str(wanted), "number", None),
    ]
    return objects, [*questions, *([random.choice(beside)] if beside else [])]


def _beside(objects: list[ToyObject]) -> Iterator[ToyQuestion]:
    """Yield the questions about what is left of, right of, above or below an object that have one answer.

    The object is named by what is not asked for, so that the question leaves all answers open.
    """
    for known in objects:
        others = [other for other in objects if other is not known]
        if not all(is_clear(other, known) for other in others):
            continue
        for other in others:
            where = relation(other, known)
            if sum(relation(each, known) == where for each in others) == 1:
                yield ToyQuestion(f"what shape is {where} the {known.colour} object ?", other.shape, "position", other)
                yield ToyQuestion(f"what colour is {where} the {known.shape} ?", other.colour, "position", other)

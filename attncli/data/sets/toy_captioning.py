"""Small images of coloured shapes, with captions that name the shapes and say how they lie to each other.

No two objects of an image share a shape or a colour, so `red` or `circle` in a caption means exactly one of them;
`objects.jsonl` says where that object is. For dev and test there are also the gold places of their first captions, with
which `eval` measures whether attention lies on the object that a word names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

from attncli.data.sets.filling import filling
from attncli.data.sets.toy_shapes import MOST_OBJECTS, SIDE, ToyObject, draw, relation, scene
from attncli.files.writing import open_output


@dataclass(frozen=True)
class ToyPictureSizes:
    """How many images to make."""

    train: int = 10_000
    dev: int = 200
    test: int = 400


def make_toy_captioning(folder: Path, sizes: ToyPictureSizes, *, seed: int) -> None:
    """Write `images/`, `captions.jsonl` and files of places into `folder`; equal seeds and sizes give equal files.

    A line of `captions.jsonl` has an image, its captions and its split (train, dev or test); a line of `objects.jsonl`
    has an image and its objects, each with the words that name it and its box (left, top, right, bottom, in pixels);
    `places-dev.jsonl` and `places-test.jsonl` are gold places (`data.gold_places`). Raises DataError if the files
    cannot be written, or would replace or mix with other files (`filling`).
    """
    random = Random(seed)
    with (
        filling(folder, exactly=True) as aside,
        open_output(aside / "captions.jsonl") as captions,
        open_output(aside / "objects.jsonl") as boxes,
        open_output(aside / "places-test.jsonl") as of_test,
        open_output(aside / "places-dev.jsonl") as of_dev,
    ):
        places = {"test": of_test, "dev": of_dev}
        (aside / "images").mkdir()
        # Test comes first and train last, so that another number of training images does not change the test.
        for split, count in (("test", sizes.test), ("dev", sizes.dev), ("train", sizes.train)):
            for number in range(1, count + 1):
                objects = scene(random, 1 + number % MOST_OBJECTS)
                image = f"{split}-{number:05}.png"
                draw(objects, random, aside / "images" / image)
                captions.write(json.dumps({"image": image, "captions": describe(objects), "split": split}) + "\n")
                boxes.write(json.dumps({"image": image, "objects": [_facts(each) for each in objects]}) + "\n")
                if split in places:
                    found = {"source": image, "places": list(_places(objects))}
                    places[split].write(json.dumps(found) + "\n")


def _facts(drawn: ToyObject) -> dict[str, object]:
    words = [drawn.size, drawn.colour, drawn.shape]
    return {"words": words, "box": [round(edge, 1) for edge in drawn.box]}


def _places(objects: list[ToyObject]) -> Iterator[dict[str, object]]:
    """Yield the gold place of each object: the words for size, colour and shape in the first caption, and the box."""
    first = 0
    order = _from_left(objects)
    for drawn, following in zip(order, [*order[1:], None], strict=True):
        yield {"words": [first + 1, first + 2, first + 3], "box": [round(edge / SIDE, 4) for edge in drawn.box]}
        if following is not None:
            first += len(f"{drawn.phrase} {relation(drawn, following)}".split())


def describe(objects: list[ToyObject]) -> list[str]:
    """Return the captions of a scene, from left to right and back; one caption if there is only one object."""
    order = _from_left(objects)
    return list(dict.fromkeys(" ".join(_chain(way)) for way in (order, order[::-1])))


def _from_left(objects: list[ToyObject]) -> list[ToyObject]:
    return sorted(objects, key=lambda drawn: (drawn.x, drawn.y))


def _chain(objects: list[ToyObject]) -> Iterator[str]:
    yield objects[0].phrase
    for before, after in pairwise(objects):
        yield from (relation(before, after), after.phrase)

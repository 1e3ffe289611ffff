"""What is written for several sources comes apart by source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from attncli.data.columns import Places, Reader, Value
from attncli.decoding.parts import by_part
from attncli.decoding.written import Written, WrittenHypothesis
from attncli.models.attention import Marks
from attncli.models.memory import Part


class Named(Reader[str]):
    """Its positions are letters."""

    def read(self, cell: str, *, seed: object = None) -> str:
        return cell

    def pack(self, items: object) -> None:  # type: ignore[override]
        raise NotImplementedError

    def places(self, item: str) -> Places:
        return Places(tokens=tuple(item))


@dataclass(frozen=True)
class Read:
    """A memory of a question of up to 4 positions and an image of 2 × 3."""

    mask: torch.Tensor
    parts: tuple[Part, ...] = (Part(4, None, "question"), Part(6, (2, 3), "image"))


# The second source has a question of 3 positions, so that padding parts its positions.
MEMORY = Read(torch.tensor([[True] * 10, [True] * 3 + [False] + [True] * 6]))
WEIGHTS = np.arange(18.0).reshape(2, 9)
CHOSEN = torch.tensor([1, 7])


def parts(*, chooses: bool = False) -> dict[str, Written]:
    marks = Marks(None, None, CHOSEN) if chooses else None
    found = WrittenHypothesis("a b", ("a", "b"), -1.0, -0.5, WEIGHTS, marks)
    cell = {"question": "abc", "image": "i.png"}
    sources = {name: Value(Named(), text, text) for name, text in cell.items()}
    whole = Written(cell, Places(), (found,))
    return by_part(whole, sources, MEMORY, 1)


def test_weights_are_those_over_the_real_positions_of_each() -> None:
    found = parts()
    assert list(found) == ["question", "image"]
    question, image = found["question"], found["image"]
    assert (question.cell, question.places.tokens, question.places.grid) == ("abc", ("a", "b", "c"), None)
    assert (image.cell, image.places.grid) == ("i.png", (2, 3))
    assert question.best.weights is not None
    assert question.best.weights.tolist() == [[0, 1, 2], [9, 10, 11]]
    assert image.best.weights is not None
    assert image.best.weights.tolist() == [[[3, 4, 5], [6, 7, 8]], [[12, 13, 14], [15, 16, 17]]]
    assert image.best.text == "a b"


def test_a_source_that_is_not_attended_to_has_no_weights() -> None:
    memory = Read(torch.ones(1, 6, dtype=torch.bool), (Part(6, (2, 3), "image"),))
    found = WrittenHypothesis("a b", ("a", "b"), -1.0, -0.5, np.arange(12.0).reshape(2, 6))
    sources = {name: Value(Named(), text, text) for name, text in {"question": "abc", "image": "i"}.items()}
    parts = by_part(Written({}, Places(), (found,)), sources, memory, 0)
    assert list(parts) == ["question", "image"]
    assert (parts["question"].best.weights, parts["question"].places.tokens) == (None, ("a", "b", "c"))
    assert parts["image"].best.weights is not None
    assert parts["image"].best.weights.shape == (2, 2, 3)


def test_a_choice_lies_in_one_of_them() -> None:
    found = parts(chooses=True)
    marks = [part.best.marks for part in found.values()]
    assert [each.chosen.tolist() for each in marks if each and each.chosen is not None] == [[1, -1], [-1, 4]]


def test_json_has_weights_and_choices_by_source() -> None:
    found = parts(chooses=True)
    whole = Written(
        {"question": "abc", "image": "i.png"},
        Places(),
        (WrittenHypothesis("a b", ("a", "b"), -1.0, -0.5, WEIGHTS, Marks(None, None, CHOSEN)),),
        parts=found,
    )
    record = whole.as_json(name="source")
    assert (record["question"], record["image"]) == ("abc", "i.png")
    assert record["source_tokens"] == {"question": ["a", "b", "c"], "image": list("i.png")}
    [best] = record["hypotheses"]
    assert best["text"] == "a b"
    assert best["attention"]["question"] == [[0, 1, 2], [9, 10, 11]]
    assert np.shape(best["attention"]["image"]) == (2, 2, 3)
    assert best["chosen"] == [("question", 1), ("image", 4)]


def test_without_weights_the_parts_have_none() -> None:
    found = WrittenHypothesis("a", ("a",), -1.0, -1.0, None)
    whole = Written({"question": "abc"}, Places(), (found,))
    sources = {"question": Value(Named(), "abc", "abc"), "image": Value(Named(), "i", "i")}
    assert [part.best.weights for part in by_part(whole, sources, MEMORY, 0).values()] == [None, None]

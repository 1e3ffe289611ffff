"""Toy questions are answered by what their images show, and by nothing else."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image

from attncli.config.tables import TableData
from attncli.data.forms.forms import open_form
from attncli.data.gold_places import read_gold_places
from attncli.data.sets.toy_questions import ToyQuestionSizes, asked_scene, make_toy_questions
from attncli.data.sets.toy_shapes import COLOURS, SIDE, ToyObject
from attncli.errors import DataError

SIZES = ToyQuestionSizes(train=30, dev=5, test=24)
TYPES = {"colour", "shape", "number", "position"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy") / "new"
    make_toy_questions(folder, SIZES, seed=3)
    return folder


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "questions.tsv").open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_every_image_has_questions_and_every_split_has_all_types(made: Path) -> None:
    found = rows(made)
    images = {path.name for path in (made / "images").iterdir()}
    assert {row["image"] for row in found} == images
    assert Counter(name.split("-")[0] for name in images) == {"train": 30, "dev": 5, "test": 24}
    for split in ("train", "dev", "test"):
        assert {row["type"] for row in found if row["split"] == split} == TYPES
    assert all(row["image"].startswith(row["split"]) for row in found)
    assert set(Counter(row["image"] for row in found).values()) == {3, 4}


def test_it_is_read_as_a_table(made: Path) -> None:
    columns = {"image": "image", "question": "question", "target": "answer", "split": "split", "group": "type"}
    splits = {name: {"split": name} for name in ("train", "dev")}
    data = TableData.model_validate(
        {"root": str(made), "table": "questions.tsv", "columns": columns, "folders": {"image": "images"}, **splits}
    )
    examples = list(open_form(data, "train"))
    assert len(examples) == sum(row["split"] == "train" for row in rows(made))
    assert {example.group for example in examples} == TYPES
    assert all(Path(example.cells["image"]).is_file() for example in examples)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_gold_places_are_the_boxes_of_what_is_asked_about(made: Path, split: str) -> None:
    found = [row for row in rows(made) if row["split"] == split]
    asked, answers = [row["question"] for row in found], [row["answer"] for row in found]
    places = read_gold_places(made / f"places-{split}.jsonl", sources=asked, targets=answers, noun="image")
    for row, of_answer in zip(found, places, strict=True):
        boxes = [[float(edge) / SIDE for edge in row["box"].split()]] if row["box"] else []
        assert [place.words for place in of_answer] == [(0,)] * len(boxes)
        for place, box in zip(of_answer, boxes, strict=True):
            assert place.box == pytest.approx(box, abs=0.05 / SIDE + 1e-4)


def test_the_boxes_hold_what_is_asked_about(made: Path) -> None:
    for row in rows(made):
        assert (row["box"] == "") == (row["type"] == "number")
        colour = row["answer"] if row["answer"] in COLOURS else None
        if row["type"] == "shape":
            colour = row["question"].split()[4]
        if colour is None:
            continue
        with Image.open(made / "images" / row["image"]) as image:
            pixels = np.asarray(image).astype(int)
        assert pixels.shape == (SIDE, SIDE, 3)
        # Colours deviate by at most 20; what is nearest to this one is the object, but for smooth edges.
        at = (abs(pixels - np.array(COLOURS[colour])).max(-1) <= 25).nonzero()
        left, top, right, bottom = map(float, row["box"].split())
        expected = (at[1].min(), at[0].min(), at[1].max() + 1, at[0].max() + 1)
        assert (left, top, right, bottom) == pytest.approx(expected, abs=2.5), row


def lies(one: ToyObject, known: ToyObject) -> str | None:
    """Return where `one` clearly lies, by the definition."""
    across, down = one.x - known.x, one.y - known.y
    if abs(across) > 1.3 * abs(down):
        return "left of" if across < 0 else "right of"
    if abs(down) > 1.3 * abs(across):
        return "above" if down < 0 else "below"
    return None


def answers_to(question: str, objects: list[ToyObject]) -> list[str]:
    """Return what may be answered, from the words of the question."""
    words = question.removesuffix(" ?").split()
    if words[:2] == ["how", "many"]:
        return [str(sum(each.size == words[2] for each in objects))]
    [known] = [each for each in objects if {each.colour, each.shape} & set(words[3:])]
    asked = [known]
    if words[2] != "is" or words[3] != "the":
        where = " ".join(words[3 : words.index("the")])
        asked = [each for each in objects if each is not known and lies(each, known) == where]
        assert all(lies(each, known) for each in objects if each is not known), "none is in doubt"
    return [each.colour if words[1] == "colour" else each.shape for each in asked]


def test_every_question_has_one_answer_which_is_the_one_given() -> None:
    random = Random(5)
    for _ in range(300):
        objects, questions = asked_scene(random)
        for each in questions:
            assert answers_to(each.question, objects) == [each.answer], (each, objects)


def test_nothing_can_be_guessed_from_the_question_alone() -> None:
    random, counts = Random(1), defaultdict[str, Counter[str]](Counter)
    for _ in range(400):
        for each in asked_scene(random)[1]:
            kind = " ".join(
                word for word in each.question.split() if word in ("what", "colour", "shape", "how", "many")
            )
            counts[f"{each.type}: {kind}"][each.answer] += 1
    chances = {
        "colour: what colour": 1 / 6,
        "shape: what shape": 1 / 5,
        "number: how many": 1 / 4,
        "position: what colour": 1 / 6,
        "position: what shape": 1 / 5,
    }
    assert counts.keys() == chances.keys()
    for kind, chance in chances.items():
        found = counts[kind]
        majority = found.most_common(1)[0][1] / found.total()
        # Three and a half standard errors.
        assert chance <= majority < chance + 3.5 * (chance * (1 - chance) / found.total()) ** 0.5, (kind, found)
        assert len(found) == round(1 / chance)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(made: Path, tmp_path: Path) -> None:
    def files(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    make_toy_questions(tmp_path / "same", SIZES, seed=3)
    make_toy_questions(tmp_path / "other", SIZES, seed=4)
    make_toy_questions(tmp_path / "fewer", ToyQuestionSizes(train=2, dev=5, test=24), seed=3)
    assert files(tmp_path / "same") == files(made)
    assert files(tmp_path / "other") != files(made)
    test = [row for row in rows(made) if row["split"] == "test"]
    assert [row for row in rows(tmp_path / "fewer") if row["split"] == "test"] == test


def test_files_of_others_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "questions.tsv").write_text("mine")
    with pytest.raises(DataError, match=r"questions\.tsv: is there, but is not the data set's"):
        make_toy_questions(tmp_path, ToyQuestionSizes(train=1, dev=1, test=1), seed=1)

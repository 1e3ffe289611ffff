from __future__ import annotations

import re
from pathlib import Path

import pytest

from attncli.data.sets.toy_paragraphs import ToyParagraphSizes, make_toy_paragraphs

SIZES = ToyParagraphSizes(train=300, dev=30, test=40)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy") / "new"
    make_toy_paragraphs(folder, SIZES, seed=3)
    return folder


def pairs(folder: Path, split: str) -> list[tuple[str, str]]:
    sides = [(folder / f"{split}.{side}").read_text().splitlines() for side in ("source", "target")]
    return list(zip(*sides, strict=True))


def test_the_files_have_the_sizes_asked_for(made: Path) -> None:
    assert {split: len(pairs(made, split)) for split in ("train", "dev", "test")} == vars(SIZES)


def test_a_summary_is_the_last_that_the_person_does_whom_the_paragraph_is_about(made: Path) -> None:
    for text, summary in pairs(made, "train"):
        first, *sentences = re.findall(r"[^.]+\.", text)
        person = first.removeprefix("This is about ").removesuffix(".")
        last = [sentence.strip() for sentence in sentences if sentence.split()[0] == person][-1]
        # Adverbs, which stand last, are left out.
        assert last.startswith(summary.removesuffix("."))
        assert re.fullmatch(rf"{person} [a-z]+s (in|near|behind|above) [A-Z][a-z]+\.", summary)


def test_paragraphs_are_short_and_long_and_the_sentence_stands_anywhere(made: Path) -> None:
    lengths, places = [], []
    for text, summary in pairs(made, "train"):
        sentences = re.findall(r"[^.]+\.", text)
        lengths.append(len(sentences))
        places.append(max(at for at, each in enumerate(sentences) if each.strip().startswith(summary[:-1])))
    assert (min(lengths), max(lengths)) == (3, 21)
    assert len(set(places)) > 15


def test_places_are_new_in_most_paragraphs(made: Path) -> None:
    seen = {summary.split()[-1] for _, summary in pairs(made, "train")}
    unseen = [summary.split()[-1] not in seen for _, summary in pairs(made, "test")]
    assert sum(unseen) / len(unseen) > 0.5


def test_no_paragraph_occurs_twice(made: Path) -> None:
    texts = [text for split in ("train", "dev", "test") for text, _ in pairs(made, split)]
    assert len(set(texts)) == len(texts)


def test_a_seed_gives_the_same_bytes_and_another_amount_of_training_the_same_test(made: Path, tmp_path: Path) -> None:
    make_toy_paragraphs(tmp_path / "same", SIZES, seed=3)
    make_toy_paragraphs(tmp_path / "more", ToyParagraphSizes(train=301, dev=30, test=40), seed=3)
    make_toy_paragraphs(tmp_path / "other", SIZES, seed=4)
    for name in ("train.source", "test.target"):
        assert (tmp_path / "same" / name).read_bytes() == (made / name).read_bytes()
        assert (tmp_path / "other" / name).read_bytes() != (made / name).read_bytes()
    assert (tmp_path / "more" / "test.source").read_bytes() == (made / "test.source").read_bytes()

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from attncli.data.sets.toy_translation import ToySizes, make_toy_translation
from attncli.errors import DataError

SIZES = ToySizes(train=900, dev=116, test=58)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy") / "new"
    make_toy_translation(folder, SIZES, seed=3)
    return folder


def sentences(folder: Path, name: str) -> list[list[str]]:
    return [line.split(" ") for line in (folder / name).read_text().splitlines()]


def pairs(folder: Path) -> list[tuple[list[str], list[str]]]:
    splits = ("train", "dev", "test")
    return [
        pair
        for split in splits
        for pair in zip(sentences(folder, f"{split}.source"), sentences(folder, f"{split}.target"), strict=True)
    ]


def test_the_files_have_the_sizes_asked_for(made: Path) -> None:
    assert sorted(path.name for path in made.iterdir()) == sorted(
        f"{split}.{side}" for split in ("train", "dev", "test") for side in ("source", "target")
    )
    assert [len(sentences(made, f"{split}.target")) for split in ("train", "dev", "test")] == [900, 116, 58]


def test_dev_and_test_have_every_length_equally_often(made: Path) -> None:
    for split, times in (("dev", 2), ("test", 1)):
        lengths = Counter(len(sentence) for sentence in sentences(made, f"{split}.source"))
        assert lengths == dict.fromkeys(range(3, 61), times)


def test_training_sentences_are_of_all_lengths_and_rather_short(made: Path) -> None:
    lengths = [len(sentence) for sentence in sentences(made, "train.source")]
    assert (min(lengths), max(lengths)) == (3, 60)
    assert 20 < sum(lengths) / len(lengths) < 30


def test_no_sentence_occurs_twice(made: Path) -> None:
    found = [" ".join(source) for source, _ in pairs(made)]
    assert len(set(found)) == len(found)


def test_the_seed_gives_the_files(made: Path, tmp_path: Path) -> None:
    for seed in (3, 4):
        make_toy_translation(tmp_path / str(seed), SIZES, seed=seed)
    for path in made.iterdir():
        assert (tmp_path / "3" / path.name).read_bytes() == path.read_bytes()
        assert (tmp_path / "4" / path.name).read_bytes() != path.read_bytes()


def test_more_training_text_leaves_dev_and_test_as_they_are(made: Path, tmp_path: Path) -> None:
    make_toy_translation(tmp_path, ToySizes(train=1000, dev=116, test=58), seed=3)
    for name in ("dev.source", "dev.target", "test.source", "test.target"):
        assert (tmp_path / name).read_bytes() == (made / name).read_bytes()


def learned_words(found: list[tuple[list[str], list[str]]]) -> dict[str, set[str]]:
    """Return, for each source word, the target words that are in every translation of it."""
    translations: dict[str, set[str]] = {}
    for source, target in found:
        for word in source:
            translations[word] = translations.get(word, set(target)) & set(target)
    return translations


def test_each_source_word_has_one_target_word_but_verbs_have_two(made: Path) -> None:
    found = pairs(made)
    assert all(len(source) == len(target) for source, target in found)
    translations = learned_words(found)
    verbs = {word for word, targets in translations.items() if not targets}
    assert len(verbs) == 30
    assert all(len(targets) == 1 for word, targets in translations.items() if word not in verbs)


def test_a_clause_alone_moves_its_verb_from_the_end_to_after_the_subject(made: Path) -> None:
    found = pairs(made)
    translations = {word: next(iter(targets), None) for word, targets in learned_words(found).items()}
    clauses = [(source, target) for source, target in found if len(source) == 3]
    assert clauses
    for (subject, thing, verb), target in clauses:
        assert translations[verb] is None
        assert target[0] == translations[subject]
        assert target[2] == translations[thing]
        assert target[1].endswith("nt") == subject.endswith("n")  # the verb agrees with its subject's number


def test_words_move_far_in_long_sentences(made: Path) -> None:
    found = pairs(made)
    translations = {word: next(iter(targets), None) for word, targets in learned_words(found).items()}
    moves = [
        abs(target.index(translation) - position)
        for source, target in found
        for position, word in enumerate(source)
        if len(source) > 40 and source.count(word) == 1 and (translation := translations[word]) is not None
    ]
    assert max(moves) > 12
    assert sum(move > 6 for move in moves) > 0.1 * len(moves)


def test_words_are_plain_letters_and_the_vocabulary_small(made: Path) -> None:
    for side in (0, 1):
        words = {word for pair in pairs(made) for word in pair[side]}
        assert all(re.fullmatch("[a-z]+", word) for word in words)
        assert 150 < len(words) < 300


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file: cannot be made: File exists"):
        make_toy_translation(tmp_path / "file", SIZES, seed=1)

"""Which runs may be averaged: those of one vocabulary, whatever its file is called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from attncli.config.tokenizer import Tokenizer as TokenizerConfig
from attncli.errors import CommandError, RunError
from attncli.runs.ensembles import check_ensemble
from attncli.runs.folder import RunFolder
from attncli.text.tokenizer import SentencePieces, Tokenizers, train_tokenizers

GERMAN, ENGLISH = "der Hund die Kuh rennt", "the dog a cow runs"
PAIRS = "{train: {source: a, target: b}, dev: {source: a, target: b}}"
TEXT = f"task: translation\ndata: {PAIRS}\ntraining: {{max_steps: 1}}\n"
IMAGES = """\
task: captioning
data: {images: a, train: b, dev: b}
model: {encoder: {kind: cnn}}
training: {max_steps: 1}
"""


def words(source: str = GERMAN, target: str = ENGLISH) -> Tokenizers:
    config = TokenizerConfig(kind="word", vocabulary_size=30, shared=False)
    return train_tokenizers(config, [([source], [target])])


def run(folder: Path, tokenizers: Tokenizers, config: str = TEXT) -> Path:
    RunFolder(folder).create(config)
    tokenizers.save(folder)
    return folder


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return run(tmp_path / "first", words())


def refusal(first: Path, *others: Path) -> str:
    with pytest.raises(CommandError) as caught:
        check_ensemble(first, others)
    return str(caught.value)


def test_what_matters_is_which_entry_has_which_id(first: Path, tmp_path: Path) -> None:
    same = words()
    check_ensemble(first, [run(tmp_path / "same", same), run(tmp_path / "again", words())])
    # One vocabulary for both sides has another file, and other bytes.
    both = f"{GERMAN} {ENGLISH}"
    shared = train_tokenizers(TokenizerConfig(kind="word", vocabulary_size=30, shared=True), [([both], [])])
    apart = words(both, both)
    check_ensemble(run(tmp_path / "shared", shared), [run(tmp_path / "apart", apart)])
    assert {path.name for path in tmp_path.rglob("tokenizer*.model")} == {
        "tokenizer.model",
        "tokenizer.source.model",
        "tokenizer.target.model",
    }


def test_another_vocabulary_is_refused_with_the_difference(first: Path, tmp_path: Path) -> None:
    reason = "and an ensemble has one; train both on the same data with the same section tokenizer"
    same = words()
    bpe = train_tokenizers(TokenizerConfig(kind="bpe", vocabulary_size=40, shared=False), [([GERMAN], [ENGLISH])])
    others = {
        "larger": (words(target=f"{ENGLISH} sleeps"), "its target vocabulary has 10 entries and not 9"),
        "german": (words(source="der Hund die Kuh schläft"), "its source vocabulary has '▁schläft' as entry"),
        "lower": (
            replace(same, target=SentencePieces(same.target.content, "word", lowercase=True)),
            "its target vocabulary has tokenizer.lowercase: true and not false",
        ),
        "pieces": (replace(same, target=bpe.target), "its target vocabulary is of kind bpe and not word"),
    }
    for name, (tokenizers, problem) in others.items():
        message = refusal(first, run(tmp_path / name, tokenizers))
        assert message.startswith(f"{tmp_path / name}: no ensemble with {first}: {problem}")
        assert message.endswith(reason)
    assert refusal(tmp_path / "lower", first).startswith(
        f"{first}: no ensemble with {tmp_path / 'lower'}: its target vocabulary has tokenizer.lowercase: false and not"
    )


def test_the_first_entry_that_differs_is_named(first: Path, tmp_path: Path) -> None:
    other = run(tmp_path / "other", words(target="the dog a cow sings"))
    one, another = (Tokenizers.load(folder).target.entries for folder in (first, other))
    at = next(number for number in range(9) if one[number] != another[number])
    assert f"target vocabulary has {another[at]!r} as entry {at} and not {one[at]!r}, and" in refusal(first, other)


def test_every_run_that_does_not_fit_is_named(first: Path, tmp_path: Path) -> None:
    fits = run(tmp_path / "fits", words())
    images = run(tmp_path / "images", words(), IMAGES)
    both = run(tmp_path / "both", words("eins", "one"))
    message = refusal(first, fits, images, fits / ".." / "fits", first, both)
    assert message.splitlines()[:3] == [
        f"{images}: no ensemble with {first}: it reads images and not sentences; name runs that read the same",
        f"{fits / '..' / 'fits'}: no ensemble with {first}: it is named twice; name different runs",
        f"{first}: no ensemble with {first}: it is named twice; name different runs",
    ]
    sides = [line.split(" no ensemble with ")[1] for line in message.splitlines()[3:]]
    assert [side.split("its ")[1].split(" vocabulary")[0] for side in sides] == ["target", "source"]


def test_captioners_need_no_words_to_read(tmp_path: Path) -> None:
    folders = [run(tmp_path / text, words(source=text), IMAGES) for text in ("eins", "zwei")]
    check_ensemble(folders[0], folders[1:])


def test_a_folder_that_is_no_run_is_named(first: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nothing: no such folder"):
        check_ensemble(first, [tmp_path / "nothing"])


def test_runs_that_copy_and_runs_that_do_not_choose_among_other_words(first: Path, tmp_path: Path) -> None:
    copying = run(tmp_path / "copying", words(), TEXT + "model: {decoder: {copying: true}}\n")
    assert refusal(first, copying) == (
        f"{copying}: no ensemble with {first}: it has model.decoder.copying: true and not false, so they do not choose "
        "among the same words"
    )

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attncli.assembly.corpora import Corpora, fitted_tokenizers, make_corpora, open_splits
from attncli.config.load import check_config
from attncli.config.tasks.translation import TranslationConfig
from attncli.data.corpus import Corpus
from attncli.data.forms.example import Example
from attncli.data.forms.pairs import PairReader
from attncli.data.stored import write_pairs
from attncli.data.tokens import TokenColumn
from attncli.errors import DataError
from attncli.models.encoders.encoder import Encoder
from attncli.text.tokenizer import UNK, Tokenizers

TRAIN = [(f"wort {n} und noch eins" + " mehr" * (n % 7), f"word {n} and one" + " more" * (n % 5)) for n in range(40)]
DEV = [("wort eins", "word one"), ("noch mehr", "one  more")]


def write(folder: Path, name: str, pairs: list[tuple[str, str]]) -> None:
    for side, lines in zip(("de", "en"), zip(*pairs, strict=True), strict=True):
        (folder / f"{name}.{side}").write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "train", TRAIN)
    write(tmp_path, "dev", DEV)
    return tmp_path


def config_of(folder: Path, tokenizer: dict[str, Any] | None = None, **data: Any) -> TranslationConfig:
    values = {
        "task": "translation",
        "data": {
            "root": str(folder),
            "train": {"source": "train.de", "target": "train.en"},
            "dev": {"source": "dev.de", "target": "dev.en"},
            "cache": str(folder / "cache"),
            **data,
        },
        "tokenizer": {"kind": "word", "vocabulary_size": 100, **(tokenizer or {})},
        "training": {"max_steps": 1},
    }
    config = check_config(values, where="test")
    assert isinstance(config, TranslationConfig)
    return config


class NoEncoder(Encoder):
    """Text needs none to be encoded."""

    def forward(self, source: Any) -> Any:
        raise NotImplementedError


def prepared(config: TranslationConfig, tokenizers: Tokenizers | None = None) -> tuple[Corpora, Tokenizers]:
    splits = open_splits(config)
    if tokenizers is None:
        tokenizers = fitted_tokenizers(config, splits.train)
    return make_corpora(config, splits, tokenizers, NoEncoder()), tokenizers


def sources_of(corpus: Corpus) -> TokenColumn:
    """Return the sources of a corpus of text."""
    assert isinstance(corpus.source, TokenColumn)
    return corpus.source


@pytest.fixture
def encodings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return a list that grows by each corpus that is encoded."""
    calls: list[Path] = []

    def counted(made: Path, *args: Any, **options: Any) -> None:
        calls.append(made)
        write_pairs(made, *args, **options)

    monkeypatch.setattr("attncli.assembly.corpora.write_pairs", counted)
    return calls


def test_text_becomes_corpora_and_dev_sentences_stay_text(folder: Path) -> None:
    corpora, tokenizers = prepared(config_of(folder))
    assert len(corpora.train) == 40
    assert corpora.dev.cells == [source for source, _ in DEV]
    assert corpora.dev.references == [[target for _, target in DEV]]
    assert tokenizers.source.decode(sources_of(corpora.train).row(3).tolist()) == TRAIN[3][0]
    # What is trained on is not held as text, and is made of its tokens where a reward needs it.
    assert [list(texts) for texts in corpora.train.texts] == [[target] for _, target in TRAIN]
    # 4 special; wort und noch eins mehr, word and one more; 0 ... 39
    assert tokenizers.source.size == 4 + 5 + 4 + 40
    source = sum(len(text.split()) + 1 for text, _ in TRAIN)
    target = sum(len(text.split()) + 1 for _, text in TRAIN)
    assert corpora.notes == (
        "tokenizer: word, 53 entries (the text has no more; tokenizer.vocabulary_size allows 100)",
        f"train: 40 pairs, {source} source and {target} target tokens",
        "dev: 2 pairs, 6 source and 6 target tokens",
    )


def test_what_was_left_out_is_said_also_when_it_comes_from_the_cache(folder: Path) -> None:
    write(folder, "train", [*TRAIN, ("", "x"), ("x", ""), ("sehr " * 60, "very " * 60)])
    with (folder / "train.de").open("ab") as source, (folder / "train.en").open("ab") as target:
        source.write(b"\xff\n")
        target.write(b"x\n")
    config = config_of(folder, bad_lines="skip", maximum_length={"source": 50})
    for _ in range(2):
        notes = prepared(config)[0].notes
        assert "train: left out 3 bad pairs (2 empty, 1 not UTF-8)" in notes
        assert "train: left out 1 pair over data.maximum_length (source 50 tokens)" in notes


def test_separate_vocabularies_are_noted_one_by_one(folder: Path) -> None:
    notes = prepared(config_of(folder, {"shared": False, "vocabulary_size": 20}))[0].notes
    assert notes[:2] == ("source tokenizer: word, 20 entries", "target tokenizer: word, 20 entries")


def test_bad_dev_pairs_are_never_skipped(folder: Path) -> None:
    write(folder, "dev", [*DEV, ("x", "")])
    with pytest.raises(DataError, match=r"dev\.en:3: empty line; the target of a pair must have at least one token"):
        prepared(config_of(folder, bad_lines="skip"))


def test_limits_are_for_training_pairs_only(folder: Path) -> None:
    write(folder, "dev", [("wort " * 30, "word")])
    assert len(prepared(config_of(folder, maximum_length={"source": 20}))[0].dev) == 1


def test_sources_are_cut_in_both_sets_and_said_to_be(folder: Path) -> None:
    write(folder, "dev", [("wort " * 30, "word"), ("ein wort", "a word")])
    corpora, _ = prepared(config_of(folder, too_long="cut", maximum_length={"source": 3}))
    assert len(corpora.dev) == 2
    assert max(corpora.train.source_lengths) == max(corpora.dev.source_lengths) == 4
    assert "dev: cut 1 source to data.maximum_length.source (3 tokens)" in corpora.notes


def test_the_second_time_only_opens_files(folder: Path, encodings: list[Path]) -> None:
    first, tokenizers = prepared(config_of(folder))
    assert len(encodings) == 2
    second, again = prepared(config_of(folder))
    assert len(encodings) == 2
    assert tokenizers == again
    assert sources_of(first.train).tokens.tolist() == sources_of(second.train).tokens.tolist()


@pytest.mark.parametrize("shared", [True, False])
def test_tokenizers_are_trained_in_one_reading(folder: Path, monkeypatch: pytest.MonkeyPatch, shared: bool) -> None:
    config = config_of(folder, {"shared": shared})
    train, readings = open_splits(config).train, []
    read = PairReader.__iter__

    def counted(self: PairReader) -> Iterator[Example]:
        readings.append(self)
        return read(self)

    monkeypatch.setattr(PairReader, "__iter__", counted)
    found = fitted_tokenizers(config, train)
    assert readings == [train]
    assert found.source.id_of("mehr") is not None
    assert (found.source.id_of("more") is not None) == found.shared == shared


@pytest.mark.parametrize("change", ["text", "limits", "tokenizer", "bad_lines"])
def test_another_text_or_configuration_is_encoded_anew(folder: Path, encodings: list[Path], change: str) -> None:
    prepared(config_of(folder))
    tokenizer: dict[str, Any] = {}
    data: dict[str, Any] = {}
    if change == "text":
        write(folder, "train", [("neu", "new"), *TRAIN[1:]])
    elif change == "limits":
        data = {"maximum_length": {"target": 6}}
    elif change == "tokenizer":
        tokenizer = {"lowercase": True}
    else:
        data = {"bad_lines": "skip"}
    again, tokenizers = prepared(config_of(folder, tokenizer, **data))
    assert len(encodings) > 2
    if change == "text":
        assert tokenizers.source.decode(sources_of(again.train).row(0).tolist()) == "neu"


def test_what_becomes_of_long_pairs_is_part_of_what_is_cached(folder: Path) -> None:
    limits = {"maximum_length": {"target": 6}}
    dropped, _ = prepared(config_of(folder, **limits))
    assert 0 < len(dropped.train) < 40
    with pytest.raises(DataError, match=r"over data\.maximum_length\.target 6"):
        prepared(config_of(folder, too_long="error", **limits))


def test_the_order_of_columns_is_part_of_what_is_cached(folder: Path) -> None:
    (folder / "train.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in TRAIN))
    one, _ = prepared(config_of(folder, train={"pairs": "train.tsv"}))
    other, _ = prepared(config_of(folder, train={"pairs": "train.tsv", "source_field": 2, "target_field": 1}))
    assert one.train.source_lengths.tolist() == other.train.target_lengths.tolist()
    assert one.train.source_lengths.tolist() != other.train.source_lengths.tolist()


def test_a_damaged_cache_is_made_again(folder: Path) -> None:
    whole, _ = prepared(config_of(folder))
    tokens = sources_of(whole.train).tokens.tolist()
    for name in ("source.tokens", "tokenizer.model"):
        for path in (folder / "cache").rglob(name):
            path.unlink()
            path.write_bytes(b"damaged")
    again, _ = prepared(config_of(folder))
    assert sources_of(again.train).tokens.tolist() == tokens


def test_unknown_words_of_training_targets_are_none_that_can_be_written(folder: Path) -> None:
    corpora, tokenizers = prepared(config_of(folder, {"vocabulary_size": 12}))
    (text,) = corpora.train.texts[3]
    assert "\ufffd" in text
    assert "⁇" not in text
    assert "⁇" in tokenizers.target.decode(corpora.train.target.row(3).tolist())


def test_given_tokenizers_are_used(folder: Path) -> None:
    _, other = prepared(config_of(folder, {"vocabulary_size": 12}))
    corpora, used = prepared(config_of(folder), other)
    assert used is other
    assert sources_of(corpora.train).tokens.max() < 12


def test_the_tokenizer_is_trained_on_an_even_sample(folder: Path) -> None:
    _, tokenizers = prepared(config_of(folder, {"training_sentences": 10}))
    known = [n for n in range(40) if 3 not in tokenizers.source.encode(str(n))]
    assert len(known) == 10
    assert [b - a for a, b in pairwise(known)] == [4] * 9


def test_no_pair_to_train_on_is_an_error(folder: Path) -> None:
    with pytest.raises(DataError, match=r"train\.de: no sentence pair to use: all 40 were left out"):
        prepared(config_of(folder, maximum_length={"source": 1}))
    for side in ("de", "en"):
        (folder / f"dev.{side}").write_text("")
    with pytest.raises(DataError, match=r"dev\.de: no sentence pair to use: it is empty"):
        prepared(config_of(folder))


def test_a_missing_file_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match=r"missing\.de: no such file"):
        prepared(config_of(folder, train={"source": "missing.de", "target": "train.en"}))


def test_labels_are_one_token_without_an_end_and_unknown_ones_are_told(folder: Path) -> None:
    pairs = [(f"wort {n}", label) for n, label in enumerate(["a dog", "a cat", "a dog", "a cow"] * 3)]
    write(folder, "train", pairs)
    write(folder, "dev", [("wort 1", "a dog"), ("wort 2", "zebra"), ("wort 3", "lion")])
    corpora, tokenizers = prepared(config_of(folder, {"target": {"kind": "label"}, "vocabulary_size": 30}))
    assert tokenizers.target.entries[4:] == ("a dog", "a cat", "a cow")
    assert corpora.train.target.batch(np.arange(4)).ids.tolist() == [[4], [5], [4], [6]]
    assert corpora.train.target_lengths.tolist() == [1] * 12
    assert corpora.dev.target.batch(np.arange(3)).ids.tolist() == [[4], [UNK], [UNK]]
    assert corpora.train.texts[1] == ("a cat",)
    assert "labels: 3" in corpora.notes
    assert [note for note in corpora.notes if "never written" in note] == [
        f"dev: 2 targets outside of the 3 labels of training, and so never written, such as {folder}/dev.en:2: 'zebra'"
    ]


def test_labels_over_the_vocabulary_are_told(folder: Path) -> None:
    write(folder, "train", [(f"wort {n}", f"label {n}" if n > 8 else f"label {n % 4}") for n in range(12)])
    write(folder, "dev", [("wort 1", "label 1")])
    corpora, _ = prepared(config_of(folder, {"target": {"kind": "label"}, "vocabulary_size": 8}))
    assert [note for note in corpora.notes if "never written" in note] == [
        "train: 3 targets whose labels are over tokenizer.vocabulary_size, and so never written"
    ]

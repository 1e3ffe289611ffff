from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from attncli.config.tokenizer import Tokenizer as TokenizerConfig
from attncli.errors import DataError, RunError
from attncli.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizers, train_tokenizers

KINDS = ("bpe", "unigram", "word", "char")
SOURCES = [
    'She said: "You\'re in the U.S. now (3.5 km away)."',
    "A state-of-the-art test - well -- a test; isn't it?",
    "« C'est déjà\u00a0l'été ! » ½ kg",
    "the cat sees the dog and the dog sees the cat",
]
TARGETS = ["Ein Hund sieht die Katze.", "Straße, Größe, Übung?", "zwei Hunde", "die Katze"]


def trained(kind: str, *, size: int = 300, shared: bool = True, lowercase: bool = False) -> Tokenizers:
    config = TokenizerConfig.model_validate(
        {"kind": kind, "vocabulary_size": size, "shared": shared, "lowercase": lowercase}
    )
    return train_tokenizers(config, [(SOURCES, TARGETS)])


@pytest.mark.parametrize("kind", KINDS)
def test_text_with_known_words_comes_out_as_it_went_in(kind: str) -> None:
    tokenizer = trained(kind).source
    for text in SOURCES + TARGETS:
        assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("kind", KINDS)
def test_runs_of_spaces_and_tabs_count_as_one_space(kind: str) -> None:
    tokenizer = trained(kind).source
    assert tokenizer.encode("  the \t cat   sees ") == tokenizer.encode("the cat sees")


@pytest.mark.parametrize("kind", KINDS)
def test_special_symbols_have_fixed_ids_and_no_text(kind: str) -> None:
    tokenizer = trained(kind).source
    ids = tokenizer.encode("the cat")
    assert (PAD, BOS, EOS, UNK) == (0, 1, 2, 3)
    assert tokenizer.tokens([PAD, BOS, EOS, UNK]) == ["<pad>", "<s>", "</s>", "<unk>"]
    assert tokenizer.decode([BOS, *ids, EOS, PAD, PAD]) == "the cat"
    assert not {PAD, BOS, EOS} & set(tokenizer.encode("<s> the </s> <pad> cat"))
    assert max(tokenizer.encode(" ".join(SOURCES))) < tokenizer.size


@pytest.mark.parametrize("kind", KINDS)
def test_empty_text_has_no_tokens(kind: str) -> None:
    tokenizer = trained(kind).source
    assert tokenizer.encode("") == tokenizer.encode("   ") == []
    assert tokenizer.decode([]) == ""


@pytest.mark.parametrize("kind", KINDS)
def test_many_texts_are_encoded_as_each_alone(kind: str) -> None:
    tokenizer = trained(kind).source
    assert tokenizer.encode_all(SOURCES) == [tokenizer.encode(text) for text in SOURCES]


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_the_same_byte_for_byte(kind: str) -> None:
    assert trained(kind).source.content == trained(kind).source.content


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [8, 23, 60])
def test_a_vocabulary_is_never_larger_than_asked_for(kind: str, size: int) -> None:
    assert trained(kind, size=size).source.size <= size


@pytest.mark.parametrize("kind", KINDS)
def test_a_corpus_with_less_to_learn_gives_a_smaller_vocabulary(kind: str) -> None:
    assert trained(kind, size=30_000).source.size < 300


def test_what_is_unknown_is_shown_and_kept_apart_as_written() -> None:
    words = trained("word").source
    assert words.encode("the zebra yawns") == [*words.encode("the"), UNK, UNK]
    assert words.decode(words.encode("the zebra yawns.")) == "the ⁇ ⁇."
    assert words.tokens(words.encode("the zebra")) == ["the", "<unk>"]
    assert words.pieces("the zebra.") == ["the", "zebra", "￭."]
    characters = trained("char").source
    assert characters.decode(characters.encode("cat☃s")) == "cat⁇s"
    assert characters.pieces("a☃t") == ["▁", "a", "☃", "t"]


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_join_to_the_text_unknown_ones_included(kind: str) -> None:
    tokenizer = trained(kind).source
    text = 'the zebra said: "☃, cat!"'
    assert tokenizer.join(tokenizer.pieces(text)) == text
    assert len(tokenizer.pieces(text)) == len(tokenizer.encode(text))


def test_no_word_is_a_special_symbol_in_text() -> None:
    assert trained("word").source.join(["the", "cat", "</s>"]) == "the cat"


def test_lower_case_is_part_of_the_tokenizer() -> None:
    tokenizer = trained("bpe", lowercase=True).target
    assert tokenizer.encode("Die KATZE") == tokenizer.encode("die katze")
    assert tokenizer.decode(tokenizer.encode("Die KATZE")) == "die katze"


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_rare_characters_do_not_fill_a_small_vocabulary(kind: str) -> None:
    config = TokenizerConfig.model_validate({"kind": kind, "vocabulary_size": 40})
    many = "".join(chr(0x4E00 + i) for i in range(200))
    tokenizer = train_tokenizers(config, [(["banana band " * 50, many], ["bandana"])]).source
    assert tokenizer.size <= 40
    assert tokenizer.decode(tokenizer.encode("banana band")) == "banana band"


def test_separate_vocabularies_are_learned_from_their_own_side() -> None:
    separate = trained("word", shared=False)
    assert not separate.shared
    assert UNK in separate.source.encode("Katze")
    assert UNK not in separate.target.encode("Katze")
    shared = trained("word")
    assert shared.shared
    assert shared.source is shared.target


@pytest.mark.parametrize("shared", [True, False])
def test_tokenizers_are_the_same_after_saving_and_loading(tmp_path: Path, shared: bool) -> None:
    tokenizers = trained("word", shared=shared, lowercase=True)
    tokenizers.save(tmp_path)
    loaded = Tokenizers.load(tmp_path)
    assert loaded == tokenizers
    assert loaded.shared is shared
    assert all(path.name.startswith("tokenizer.") for path in tmp_path.iterdir())


@pytest.mark.parametrize("word", ["a" * 10_001, "\u0301" * 10_000, "ab" * 3000])
def test_a_word_of_thousands_of_characters_is_unknown(word: str) -> None:
    config = TokenizerConfig(kind="word", vocabulary_size=300)
    tokenizer = train_tokenizers(config, [([*SOURCES, word], TARGETS)]).source
    assert tokenizer.encode(word) == [UNK]
    assert tokenizer.size == train_tokenizers(config, [(SOURCES, TARGETS)]).source.size
    with pytest.raises(DataError, match="no words on either side"):
        train_tokenizers(config, [([word], [word])])


def test_a_missing_or_damaged_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"tokenizer\.json: no such file"):
        Tokenizers.load(tmp_path)
    trained("char").save(tmp_path)
    model = tmp_path / "tokenizer.model"
    model.write_bytes(model.read_bytes()[:-5])
    with pytest.raises(RunError, match=r"tokenizer\.model: damaged: its SHA-256 is [0-9a-f]{64}, but"):
        Tokenizers.load(tmp_path)
    model.unlink()
    with pytest.raises(RunError, match=r"tokenizer\.model: no such file"):
        Tokenizers.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(RunError, match=r"tokenizer\.json: damaged: format: field required"):
        Tokenizers.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"kind": "x"},
            r"tokenizer\.json: damaged: source\.kind: input should be 'bpe', 'unigram', 'word', 'char' or 'label'",
        ),
        ({"kind": []}, r"source\.kind: input should be 'bpe'"),
        ({"lowercase": "no"}, r"source\.lowercase: input should be a valid boolean"),
        ({"sha256": []}, r"source\.sha256: input should be a valid string"),
        ({"file": 3}, r"source\.file: input should be 'tokenizer.model', 'tokenizer.source.model', 'tok"),
        ({"file": "/dev/zero"}, r"source\.file: input should be"),
        ({"file": "../tokenizer.model"}, r"source\.file: input should be"),
        ({"file": "a\0b"}, r"source\.file: input should be"),
    ],
)
def test_a_description_that_was_never_saved_is_refused(
    tmp_path: Path, changes: dict[str, object], problem: str
) -> None:
    trained("char").save(tmp_path)
    path = tmp_path / "tokenizer.json"
    description = json.loads(path.read_text())
    description["source"] |= changes
    path.write_text(json.dumps(description))
    with pytest.raises(RunError, match=problem):
        Tokenizers.load(tmp_path)


@pytest.mark.parametrize("model", [b"", b"\x0a\xff" * 3000, b"\0" * 10_000, b"PK\x03\x04"])
def test_a_model_that_is_none_is_refused(tmp_path: Path, model: bytes) -> None:
    trained("char").save(tmp_path)
    path = tmp_path / "tokenizer.json"
    before = hashlib.sha256((tmp_path / "tokenizer.model").read_bytes()).hexdigest()
    path.write_text(path.read_text().replace(before, hashlib.sha256(model).hexdigest()))
    (tmp_path / "tokenizer.model").write_bytes(model)
    with pytest.raises(RunError, match=r"tokenizer\.model: damaged: "):
        Tokenizers.load(tmp_path)


def test_a_description_names_models_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizers = trained("char")

    def fail(*arguments: object) -> None:
        raise OSError

    monkeypatch.setattr("attncli.text.tokenizer.write_text", fail)
    with pytest.raises(OSError, match=r"^$"):
        tokenizers.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.model"]


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    trained("char").save(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(
        RunError, match=r"tokenizer\.json: has format 99, but this version reads formats up to 1; upgrade attncli"
    ):
        Tokenizers.load(tmp_path)


def test_a_side_without_words_cannot_train_a_tokenizer() -> None:
    config = TokenizerConfig.model_validate({"shared": False})
    with pytest.raises(DataError, match="no words on the target side of the training text"):
        train_tokenizers(config, [(["a"], [" "])])


@pytest.mark.shared_data
@pytest.mark.parametrize("kind", KINDS)
def test_real_text_comes_out_as_it_went_in(shared_data: Path, kind: str) -> None:
    with gzip.open(shared_data / "canada_laws_en_fr" / "test_bins.fr.gz", "rt", encoding="utf-8", newline="\n") as file:
        lines = [" ".join(filter(None, line.rstrip("\n").split(" "))) for line in file][::9]
    config = TokenizerConfig.model_validate({"kind": kind, "vocabulary_size": 20_000})
    tokenizer = train_tokenizers(config, [(lines, lines)]).source
    assert [tokenizer.decode(ids) for ids in tokenizer.encode_all(lines)] == lines


LABELS = ["two dogs", "red", " red", "a cat", "red", "two dogs ", "no"]


def labelled(*targets: str, size: int = 300, lowercase: bool = False) -> Tokenizers:
    config = TokenizerConfig.model_validate(
        {"vocabulary_size": size, "lowercase": lowercase, "target": {"kind": "label"}}
    )
    return train_tokenizers(config, [(SOURCES, targets or LABELS)])


def test_a_label_is_one_token_whatever_words_are_in_it() -> None:
    tokenizer = labelled().target
    assert tokenizer.entries == ("<pad>", "<s>", "</s>", "<unk>", "red", "two dogs", "a cat", "no")
    assert (tokenizer.kind, tokenizer.size, tokenizer.end) == ("label", 8, ())
    assert tokenizer.encode_all([" two dogs", "red", "zebra", "", "Red"]) == [[5], [4], [UNK], [UNK], [UNK]]
    assert [tokenizer.decode([label]) for label in (4, 5, UNK)] == ["red", "two dogs", "⁇"]
    assert tokenizer.tokens([5, UNK]) == ["two dogs", "<unk>"]
    assert (tokenizer.pieces(" a cat "), tokenizer.id_of("a cat"), tokenizer.id_of("cat")) == (["a cat"], 6, None)
    assert tokenizer.join(["a cat", "</s>"]) == "a cat"


def test_labels_are_a_vocabulary_of_their_own_beside_the_text_of_sources() -> None:
    tokenizers = labelled()
    assert not tokenizers.shared
    assert tokenizers.source.content == trained("bpe", shared=False).source.content
    assert tokenizers.source.end == (EOS,)


def test_the_rarest_labels_are_left_out_where_there_are_too_many() -> None:
    # "a cat" and "no" occur once each; of equally frequent ones the first in order stays.
    assert labelled(size=7 + 1).target.entries[4:] == ("red", "two dogs", "a cat", "no")
    assert labelled(*LABELS, *"bcd", "a b", size=9).target.entries[4:] == ("red", "two dogs", "a b", "a cat", "b")


def test_labels_are_lower_cased_with_all_text() -> None:
    tokenizer = labelled("Red", "RED", "two", lowercase=True).target
    assert tokenizer.entries[4:] == ("red", "two")
    assert tokenizer.encode("rEd") == [4]


def test_labels_are_the_same_after_saving_and_loading(tmp_path: Path) -> None:
    tokenizers = labelled("größer", "two dogs", "ⅷ")
    tokenizers.save(tmp_path)
    assert (tmp_path / "labels.txt").read_bytes() == "größer\ntwo dogs\nⅷ\n".encode()
    assert json.loads((tmp_path / "tokenizer.json").read_text())["format"] == 1
    assert Tokenizers.load(tmp_path) == tokenizers


def test_labels_of_images_are_saved_once(tmp_path: Path) -> None:
    labels = labelled().target
    Tokenizers(labels, labels).save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"labels.txt", "tokenizer.json"}
    loaded = Tokenizers.load(tmp_path)
    assert loaded.shared
    assert loaded.target == labels


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"red\nblue", "not one label a line, each once"),
        (b"", "not one label a line, each once"),
        (b"red\n\nblue\n", "not one label a line, each once"),
        (b"red\nblue\nred\n", "not one label a line, each once"),
        (b"r\xffd\n", "not UTF-8: byte 0xff at position 2"),
    ],
)
def test_labels_that_were_never_saved_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    labelled().save(tmp_path)
    (tmp_path / "labels.txt").write_bytes(content)
    description = json.loads((tmp_path / "tokenizer.json").read_text())
    description["target"]["sha256"] = hashlib.sha256(content).hexdigest()
    (tmp_path / "tokenizer.json").write_text(json.dumps(description))
    with pytest.raises(RunError, match=rf"labels\.txt: damaged: {message}$"):
        Tokenizers.load(tmp_path)


def test_targets_without_a_label_are_refused() -> None:
    with pytest.raises(DataError, match="no labels on the target side of the training text"):
        labelled(" ", "")

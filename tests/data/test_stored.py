from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest

from attncli.config.data import MaximumLength, ParallelFiles
from attncli.config.tokenizer import Tokenizer as TokenizerConfig
from attncli.data.cache import DamagedError, read_description, write_description
from attncli.data.forms.pairs import PairReader
from attncli.data.stored import FORMAT, Limits, StoredPairs, open_pairs, write_pairs
from attncli.data.tokens import CopiedColumn
from attncli.errors import DataError
from attncli.text.tokenizer import EOS, PAD, UNK, Tokenizers, train_tokenizers

SOURCES = ["a b c", "a", "b c a b c", "c b"]
TARGETS = ["x y", "x x x", "y", "x y x y x y"]


@pytest.fixture(scope="module")
def tokenizers() -> Tokenizers:
    config = TokenizerConfig.model_validate({"kind": "word", "shared": False})
    return train_tokenizers(config, [(SOURCES, TARGETS)])


def write(folder: Path, tokenizers: Tokenizers, limits: Limits | None = None) -> Path:
    (folder / "x.s").write_text("\n".join(SOURCES) + "\n")
    (folder / "x.t").write_text("\n".join(TARGETS) + "\n")
    made = folder / "made"
    made.mkdir()
    reader = PairReader(ParallelFiles(source="x.s", target="x.t"), folder)
    write_pairs(made, tokenizers, reader, limits=limits or Limits())
    return made


def rows(corpus: StoredPairs) -> list[tuple[list[int], list[int]]]:
    return [(corpus.source.row(i).tolist(), corpus.target.row(i).tolist()) for i in range(len(corpus))]


def test_a_corpus_holds_the_tokens_of_every_pair_closed_by_eos(tmp_path: Path, tokenizers: Tokenizers) -> None:
    corpus = open_pairs(write(tmp_path, tokenizers))
    assert rows(corpus) == [
        ([*tokenizers.source.encode(source), EOS], [*tokenizers.target.encode(target), EOS])
        for source, target in zip(SOURCES, TARGETS, strict=True)
    ]
    assert corpus.source.lengths.tolist() == [4, 2, 6, 3]
    assert corpus.target.lengths.tolist() == [3, 4, 2, 7]
    assert corpus.source.tokens.dtype == np.uint16


def test_chunks_leave_no_seam(tmp_path: Path, tokenizers: Tokenizers, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = rows(open_pairs(write(tmp_path, tokenizers)))
    monkeypatch.setattr("attncli.data.stored._CHUNK", 3)
    (tmp_path / "again").mkdir()
    assert rows(open_pairs(write(tmp_path / "again", tokenizers))) == whole


def test_a_batch_is_padded_in_the_order_asked_for(tmp_path: Path, tokenizers: Tokenizers) -> None:
    pairs = open_pairs(write(tmp_path, tokenizers))
    source, target = (side.batch(np.array([2, 0, 3])) for side in (pairs.source, pairs.target))
    assert source.ids.shape == (3, 6)
    assert target.ids.shape == (3, 7)
    assert source.lengths.tolist() == [6, 4, 3]
    assert (source.size, target.size) == (6 + 4 + 3, 2 + 3 + 7)
    assert source.ids[1].tolist() == [*tokenizers.source.encode(SOURCES[0]), EOS, PAD, PAD]
    assert target.mask.sum(dim=1).tolist() == [2, 3, 7]


def test_pairs_over_the_limits_are_dropped_and_counted(tmp_path: Path, tokenizers: Tokenizers) -> None:
    corpus = open_pairs(write(tmp_path, tokenizers, Limits(MaximumLength(source=3, target=3))))
    assert corpus.source.lengths.tolist() == [4, 2]  # the end symbol is not counted by the limit
    assert corpus.too_long == 2


def test_sources_over_the_limit_are_cut_where_that_is_asked_for(tmp_path: Path, tokenizers: Tokenizers) -> None:
    corpus = open_pairs(write(tmp_path, tokenizers, Limits(MaximumLength(source=2, target=5), "cut")))
    assert rows(corpus) == [
        ([*tokenizers.source.encode(source)[:2], EOS], [*tokenizers.target.encode(target), EOS])
        for source, target in zip(SOURCES[:3], TARGETS[:3], strict=True)  # the fourth target has 6 tokens
    ]
    assert (corpus.cut, corpus.too_long) == (2, 1)


def test_words_of_a_source_are_numbered_after_the_vocabulary(tmp_path: Path, tokenizers: Tokenizers) -> None:
    (tmp_path / "x.s").write_text("a zig b zag zig\nzug c\n")
    (tmp_path / "x.t").write_text("x zag zig y\nzig x zug\n")
    made = tmp_path / "made"
    made.mkdir()
    reader = PairReader(ParallelFiles(source="x.s", target="x.t"), tmp_path)
    write_pairs(made, tokenizers, reader, limits=Limits(MaximumLength(source=4), "cut"), copies=True)
    corpus = open_pairs(made)
    assert corpus.copies is not None
    size, [x, y] = tokenizers.target.size, tokenizers.target.encode("x y")
    # Words of the first source, cut after four: a, zig, b, zag. The second has no zig of its own.
    assert corpus.copies.row(0).tolist() == [size, size + 1, size + 2, size + 3, EOS]
    assert corpus.target.row(0).tolist() == [x, size + 3, size + 1, y, EOS]
    assert corpus.copies.row(1).tolist() == [size, size + 1, EOS]
    assert corpus.target.row(1).tolist() == [UNK, x, size, EOS]
    batch = CopiedColumn(corpus.source, corpus.copies, size).start(np.array([1, 0]), None)()
    assert batch.copies is not None
    assert batch.copies.words == size + 4
    assert batch.copies.ids.tolist()[0] == [size, size + 1, EOS, PAD, PAD]
    assert batch.ids.tolist()[0][:3] == corpus.source.row(1).tolist()


def test_pairs_over_the_limits_are_refused_where_that_is_asked_for(tmp_path: Path, tokenizers: Tokenizers) -> None:
    with pytest.raises(DataError) as caught:
        write(tmp_path, tokenizers, Limits(MaximumLength(source=3, target=5), "error"))
    assert str(caught.value).replace(f"{tmp_path}/", "").split("\n") == [
        "x.s:3: 5 tokens, over data.maximum_length.source 3",
        "x.t:4: 6 tokens, over data.maximum_length.target 5",
        "raise data.maximum_length, or leave such pairs out with data.too_long: drop",
    ]


def test_a_large_vocabulary_is_kept_exactly(tmp_path: Path) -> None:
    words = [f"w{i}" for i in range(66_000)]
    (tmp_path / "x").write_text(" ".join(words) + "\n")
    config = TokenizerConfig.model_validate({"kind": "word", "vocabulary_size": 70_000})
    tokenizers = train_tokenizers(config, [(words, [])])
    made = tmp_path / "made"
    made.mkdir()
    write_pairs(made, tokenizers, PairReader(ParallelFiles(source="x", target="x"), tmp_path), limits=Limits())
    corpus = open_pairs(made)
    assert corpus.source.row(0).tolist() == [*tokenizers.source.encode(" ".join(words)), EOS]
    assert corpus.source.tokens.max() >= 66_000


@pytest.mark.parametrize("name", ["source.tokens", "source.offsets", "target.tokens", "target.offsets", "corpus.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_a_damaged_corpus_is_never_opened(tmp_path: Path, tokenizers: Tokenizers, name: str, damage: str) -> None:
    made = write(tmp_path, tokenizers)
    path = made / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[:-2] if name != "corpus.json" else content[:-3])
    else:
        path.write_bytes(b"\x07" + content[1:])
    with pytest.raises(DamagedError):
        open_pairs(made)


def test_a_corpus_of_another_format_is_not_opened(tmp_path: Path, tokenizers: Tokenizers) -> None:
    path = write(tmp_path, tokenizers) / "corpus.json"
    description = read_description(path, format=FORMAT)
    write_description(path, description, format=99)
    with pytest.raises(DamagedError, match=r"corpus\.json: wrong checksum or format"):
        open_pairs(path.parent)


@pytest.mark.parametrize("name", ["corpus.json", "source.tokens", "target.offsets"])
def test_no_flipped_bit_goes_unnoticed(tmp_path: Path, tokenizers: Tokenizers, name: str) -> None:
    folder = write(tmp_path, tokenizers)
    expected = rows(open_pairs(folder))
    whole = (folder / name).read_bytes()
    for at in range(len(whole)):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << at % 8
        (folder / name).write_bytes(flipped)
        with contextlib.suppress(DamagedError):
            found = rows(open_pairs(folder))
            # Of the description white space may change, and numbers that are only shown.
            assert found == expected
            assert name == "corpus.json"
    (folder / name).write_text("[" * 100_000)
    with pytest.raises(DamagedError):
        open_pairs(folder)

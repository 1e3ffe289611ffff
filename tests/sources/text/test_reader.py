"""Sentences as token ids: what is read, how long it may be, and what its positions are called."""

from __future__ import annotations

import pytest

from attncli.config.tokenizer import Tokenizer as TokenizerConfig
from attncli.data.columns import Places
from attncli.errors import DataError
from attncli.sources.text.reader import TextReader
from attncli.text.tokenizer import EOS, PAD, UNK, Tokenizer, train_tokenizers


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizers(TokenizerConfig(kind="word", vocabulary_size=20), [(["der Hund rennt"], ())]).source


def test_a_sentence_is_its_tokens_and_the_end_symbol(tokenizer: Tokenizer) -> None:
    reader = TextReader(tokenizer)
    found = reader.read("der Hund rennt")
    assert found.tolist() == [*tokenizer.encode("der Hund rennt"), EOS]
    assert reader.length(found) == 3
    assert reader.length(reader.read("  ")) == 0
    # Text is not varied.
    assert reader.read("der Hund rennt", seed=(1, 2)).tolist() == found.tolist()


def test_sentences_are_packed_to_the_longest(tokenizer: Tokenizer) -> None:
    reader = TextReader(tokenizer)
    found = reader.pack([reader.read("Hund"), reader.read("der Hund")])
    assert found.ids.tolist() == [[*tokenizer.encode("Hund"), EOS, PAD], [*tokenizer.encode("der Hund"), EOS]]


def test_a_sentence_over_the_limit_is_refused_or_cut(tokenizer: Tokenizer) -> None:
    text = "der Hund rennt"
    assert TextReader(tokenizer, limit=3).read(text).tolist() == TextReader(tokenizer).read(text).tolist()
    with pytest.raises(DataError) as caught:
        TextReader(tokenizer, limit=2).read(text)
    assert str(caught.value) == (
        "3 tokens, but search.max_source_length is 2; raise it (--max-source-length) or have long sources cut "
        "(--too-long cut)"
    )
    cut = TextReader(tokenizer, limit=2, cuts=True)
    found = cut.read(text)
    assert found.tolist() == [*tokenizer.encode("der Hund"), EOS]
    assert list(cut.words(text, found)) == ["der", "Hund"]


def test_positions_are_called_by_tokens_and_words_are_those_of_the_text(tokenizer: Tokenizer) -> None:
    reader = TextReader(tokenizer)
    found = reader.read("der Elefant rennt")
    assert found.tolist()[1] == UNK
    places = reader.places(found)
    assert places == Places(tokens=tuple(tokenizer.tokens(found.tolist())))
    assert places.tokens is not None
    assert len(places.tokens) == 4
    words = reader.words("der Elefant rennt", found)
    assert len(words) == 3
    assert "Elefant" in words[1]
    assert "Elefant" not in places.tokens[1]

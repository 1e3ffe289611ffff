"""Words of a source beside the vocabulary."""

from __future__ import annotations

import pytest

from attncli.config.tokenizer import Tokenizer as TokenizerConfig
from attncli.text.copies import Vocabulary
from attncli.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer, train_tokenizers


@pytest.fixture(scope="module")
def words() -> Tokenizer:
    config = TokenizerConfig.model_validate({"kind": "word", "vocabulary_size": 8})
    return train_tokenizers(config, [(["the the the cat cat sat sat"], ["the"])]).target


def test_words_that_are_lacking_are_numbered_once_in_their_order(words: Tokenizer) -> None:
    vocabulary = Vocabulary.of_source(words, words.pieces("mice the ants mice cat"))
    assert vocabulary.words == ("mice", "ants")
    size = words.size
    the, cat = words.encode("the cat")
    assert vocabulary.ids(["mice", "the", "ants", "mice", "cat", "dogs"]) == [size, the, size + 1, size, cat, UNK]
    assert vocabulary.encode("ants the mice") == [size + 1, the, size]


def test_they_come_back_as_text_with_punctuation_where_it_was(words: Tokenizer) -> None:
    text = 'the "mice", the ants.'
    vocabulary = Vocabulary.of_source(words, words.pieces(text))
    ids = vocabulary.encode(text)
    assert UNK not in ids
    assert vocabulary.decode([BOS, *ids, EOS, PAD]) == text
    assert vocabulary.tokens(ids) == words.pieces(text)


def test_without_words_of_a_source_it_is_the_tokenizer(words: Tokenizer) -> None:
    vocabulary = Vocabulary(words)
    assert vocabulary.encode("the mice") == words.encode("the mice")
    assert vocabulary.decode(words.encode("the mice")) == words.decode(words.encode("the mice"))
    assert vocabulary.tokens([UNK, EOS]) == words.tokens([UNK, EOS])


def test_characters_that_a_subword_vocabulary_lacks_are_copied_too() -> None:
    config = TokenizerConfig.model_validate({"kind": "bpe", "vocabulary_size": 30})
    tokenizer = train_tokenizers(config, [(["the cat sat"], ["the cat"])]).target
    text = "the 猫 sat"
    vocabulary = Vocabulary.of_source(tokenizer, tokenizer.pieces(text))
    ids = vocabulary.encode(text)
    assert max(ids) >= tokenizer.size
    assert vocabulary.decode(ids) == text
    assert [number if number < tokenizer.size else UNK for number in ids] == tokenizer.encode(text)

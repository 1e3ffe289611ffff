"""Tokens belong to the words that they begin or continue, whatever cut them."""

from __future__ import annotations

import pytest

from attncli.config.tokenizer import Tokenizer as TokenizerConfig
from attncli.text.tokenizer import Labels, Tokenizer, train_tokenizers
from attncli.text.words_of_tokens import words_of_tokens

LINES = ["a small red star, left of it", "small stars", "it is red"]


def trained(kind: str) -> Tokenizer:
    settings = TokenizerConfig.model_validate({"kind": kind, "vocabulary_size": 40})
    return train_tokenizers(settings, [(LINES, LINES)]).target


def test_pieces_belong_to_the_word_around_them() -> None:
    tokens = ["▁sm", "all", "▁st", "ar", ",", "▁", "l", "eft", "</s>"]
    assert words_of_tokens(tokens, trained("bpe")) == [[0], [0], [1], [1], [1], [], [2], [2], []]


def test_punctuation_belongs_to_the_word_that_it_touches() -> None:
    assert words_of_tokens(["red", "star", "￭,", "left", "</s>"], trained("word")) == [[0], [1], [1], [2], []]


def test_an_unknown_word_is_a_word() -> None:
    assert words_of_tokens(["a", "<unk>", "star"], trained("word")) == [[0], [1], [2]]


def test_a_label_is_all_its_words() -> None:
    assert words_of_tokens(["two dogs"], Labels(("red", "two dogs"), lowercase=False)) == [[0, 1]]


@pytest.mark.parametrize("kind", ["bpe", "unigram", "char", "word"])
@pytest.mark.parametrize("text", [*LINES, "unseen words, too"])
def test_every_word_has_tokens_in_order(kind: str, text: str) -> None:
    tokenizer = trained(kind)
    found = words_of_tokens([*tokenizer.tokens(tokenizer.encode(text)), "</s>"], tokenizer)
    assert [number for words in found for number in words] == sorted(number for words in found for number in words)
    assert {number for words in found for number in words} == set(range(len(text.split())))

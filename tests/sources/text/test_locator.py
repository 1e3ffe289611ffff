"""Words of a sentence are found among its tokens, of every kind of tokenizer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from attncli.config.tokenizer import Tokenizer as TokenizerConfig
from attncli.data.gold_places import GoldPlace
from attncli.decoding.written import Written
from attncli.errors import DataError
from attncli.sources.text.locator import TextLocator
from attncli.sources.text.reader import TextReader
from attncli.text.tokenizer import train_tokenizers

TEXTS = ["der Hund rennt schnell , oder ?", "zwei Hunde rennen schneller .", 'sie sagt : "nie"'] * 4


def found_of(text: str, kind: str, size: int = 60) -> Written:
    settings = TokenizerConfig.model_validate({"kind": kind, "vocabulary_size": size})
    reader = TextReader(train_tokenizers(settings, [(TEXTS, TEXTS)]).source)
    item = reader.read(text)
    places = reader.places(item)
    return Written(text, places.__class__(places.tokens, words=tuple(reader.words(text, item))), ())


def shares(found: Written, *words: Sequence[int]) -> list[list[float]]:
    places = [GoldPlace.model_validate({"words": (0,), "source_words": tuple(each)}) for each in words]
    rows: list[list[float]] = TextLocator().shares(found, places).tolist()
    return rows


@pytest.mark.parametrize("kind", ["bpe", "unigram", "word", "char"])
@pytest.mark.parametrize("text", [*TEXTS[:3], "  zwei  xylophone,  ja ", "nie"])
def test_the_tokens_of_a_word_are_the_characters_of_it(kind: str, text: str) -> None:
    found = found_of(text, kind)
    words = text.split()
    rows = shares(found, *([at] for at in range(len(words))))
    for word, row in zip(words, rows, strict=True):
        tokens = [label for label, share in zip(found.places.labels, row, strict=True) if share]
        assert set(row) <= {0.0, 1.0}
        assert "".join(tokens).replace("▁", "").replace("￭", "") == word
    # Each token but the end is in one word.
    assert [sum(column) for column in zip(*rows, strict=True)] == [1.0] * (len(rows[0]) - 1) + [0.0]


def test_a_place_may_be_several_words() -> None:
    found = found_of(TEXTS[0], "word")
    assert shares(found, [0, 2]) == [[1, 0, 1, 0, 0, 0, 0, 0]]


def test_a_token_of_two_words_counts_by_its_characters() -> None:
    found = found_of("zwei rennen", "word")
    joined = Written("zwei rennen", found.places.__class__(("▁zwei▁ren", "nen", "</s>")), ())
    assert shares(joined, [0], [1]) == [pytest.approx([4 / 7, 0, 0]), pytest.approx([3 / 7, 1, 0])]


def test_a_word_that_the_source_does_not_have_is_told() -> None:
    with pytest.raises(DataError) as error:
        shares(found_of("zwei rennen", "word"), [0, 2])
    assert str(error.value) == ("gold places: source word 2, counted from 0, but the source 'zwei rennen' has 2 words")

"""Which words of a text each of its tokens belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from attncli.text.tokenizer import SPECIAL, UNK, UNKNOWN_TEXT, Tokenizer


def words_of_tokens(tokens: Sequence[str], tokenizer: Tokenizer) -> list[list[int]]:
    """Return the words that each of the `tokens` of a text begins or continues.

    Words are separated by white space and counted from 0. A label is one token of all its words; the end symbol belongs
    to none.
    """
    shown = [UNKNOWN_TEXT if token == SPECIAL[UNK] else token for token in tokens]
    texts = [tokenizer.join(shown[:end]).split() for end in range(len(shown) + 1)]
    return [
        [number for number, word in enumerate(after) if before[number : number + 1] != [word]]
        for before, after in pairwise(texts)
    ]

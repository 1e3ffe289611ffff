"""Cuts text into words and punctuation so that it can be put back together exactly.

A punctuation token carries a mark on each side where it touched its neighbour: `"Hi," she said` becomes
`"￭ Hi ￭, ￭" she said`. Words carry none, so that a word is one entry of the vocabulary wherever it stands.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

MARK = "￭"
# What sentencepiece writes for a space.
SPACE = "▁"
_RESERVED = str.maketrans({MARK: "\N{REPLACEMENT CHARACTER}", SPACE: "\N{REPLACEMENT CHARACTER}"})


@lru_cache(maxsize=1)
def _token_pattern() -> re.Pattern[str]:
    """Match a run of word characters, or one character of punctuation, symbols, controls and unusual spaces."""
    apart = "".join(
        re.escape(character)
        for character in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(character)[0] in "PSZ" or unicodedata.category(character) == "Cc"
    )
    return re.compile(f"[^{apart}]+|[^ ]")


def _is_word(token: str) -> bool:
    return len(token) > 1 or (unicodedata.category(token)[0] not in "PSZ" and unicodedata.category(token) != "Cc")


def split_words(text: str) -> list[str]:
    """Return the words and marked punctuation of `text`.

    Runs of spaces count as one, and the two reserved characters U+FFED and U+2581 become U+FFFD.
    """
    tokens: list[str] = []
    for chunk in text.translate(_RESERVED).split(" "):
        parts = _token_pattern().findall(chunk)
        for i, part in enumerate(parts):
            tokens.append(part if _is_word(part) else _marked(parts, i))
    return tokens


def _marked(parts: list[str], i: int) -> str:
    left = MARK if i > 0 else ""
    # Of two touching punctuation marks the second says so, that the first may be the same token in both cases.
    right = MARK if i + 1 < len(parts) and _is_word(parts[i + 1]) else ""
    return f"{left}{parts[i]}{right}"


def join_words(tokens: Iterable[str]) -> str:
    """Return the text whose `split_words` is `tokens`."""
    pieces: list[str] = []
    touches = True
    for token in tokens:
        if not touches and not token.startswith(MARK):
            pieces.append(" ")
        pieces.append(token.strip(MARK))
        touches = token.endswith(MARK)
    return "".join(pieces)

"""Splits text into words and punctuation that can be joined again exactly.

A punctuation token carries a mark on each side on which it touched its neighbour: `"Hi," she said` becomes
`"￭ Hi ￭, ￭" she said`. Words carry none, so that a word is the same entry of the vocabulary wherever it occurs.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

MARK = "￭"
# Sentencepiece's mark of a space.
SPACE = "▁"
_CUT = "\0"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class _Cuts(dict[int, str]):
    """A table for `str.translate`, filled as it is used, that puts a cut around every character outside of words."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character in (MARK, SPACE, _CUT):
            character = _REPLACEMENT
        self[code] = character if _is_word(character) else f"{_CUT}{character}{_CUT}"
        return self[code]


def _is_word(token: str) -> bool:
    """Return whether `token` is a word, not a single punctuation mark, symbol, control character or unusual space."""
    category = unicodedata.category(token[0])
    return category[0] not in "PSZ" and category != "Cc"


_CUTS = _Cuts()


def split_words(text: str) -> list[str]:
    """Return the words and marked punctuation of `text`.

    Runs of spaces count as one. The marks U+FFED and U+2581, and U+0000, become U+FFFD.
    """
    tokens: list[str] = []
    for chunk in text.split(" "):
        parts = [part for part in chunk.translate(_CUTS).split(_CUT) if part]
        tokens.extend(part if _is_word(part) else _marked(parts, i) for i, part in enumerate(parts))
    return tokens


def _marked(parts: list[str], i: int) -> str:
    left = MARK if i > 0 else ""
    # Where two punctuation marks touch, only the second is marked, so that the first is the same token either way.
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

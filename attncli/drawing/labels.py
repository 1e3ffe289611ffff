"""Tokens as labels: pieces of words marked, without the tokenizer's own marks."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from attncli.errors import escaped

SPACE = "▁"  # sentencepiece: a word begins here
JOINER = "￭"  # the word tokenizer: no space here
CONTINUES = "·"
BLANK = "␣"
_LONGEST = 40  # characters; there are words of hundreds in what is found on the web
_CASED_OR_DIGIT = ("Lu", "Ll", "Lt", "Nd")


def readable(tokens: Sequence[str]) -> list[str]:
    """Return one label per token: a piece that continues a word begins with `·`, and a space alone is `␣`.

    The dot stands only between letters with case or digits: it would not help with punctuation, and scripts without
    case either write no spaces or run from right to left. Characters as tokens need no dots. Long tokens are cut.
    """
    return [label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…" for label in _labels(tokens)]


def _labels(tokens: Sequence[str]) -> list[str]:
    tokens = [escaped(token) for token in tokens]
    if not any(token.startswith(SPACE) for token in tokens) or _are_characters(tokens):
        return [_plain(token) for token in tokens]
    firsts = tokens[:1]
    return [_plain(token) for token in firsts] + [
        CONTINUES + token if _continues(before, token) else _plain(token) for before, token in pairwise(tokens)
    ]


def _are_characters(tokens: Sequence[str]) -> bool:
    return all(len(token.removeprefix(SPACE)) <= 1 for token in tokens if not _is_symbol(token))


def _is_symbol(token: str) -> bool:
    return token.startswith("<") and token.endswith(">") and len(token) > 2


def _plain(token: str) -> str:
    return token.replace(JOINER, "").removeprefix(SPACE).replace(SPACE, " ") or (BLANK if token else "")


def _continues(before: str, token: str) -> bool:
    if _is_symbol(before) or _is_symbol(token) or not before or not token:
        return False
    return all(unicodedata.category(character) in _CASED_OR_DIGIT for character in (before[-1], token[0]))

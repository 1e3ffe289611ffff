"""A vocabulary with the words that one source adds to it, for a decoder that copies.

Words of the source that the vocabulary lacks have the numbers after it, in the order they first appear there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from attncli.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer with further words, of which each is one token."""

    tokenizer: Tokenizer
    words: tuple[str, ...] = ()

    @classmethod
    def of_source(cls, tokenizer: Tokenizer, pieces: Sequence[str]) -> Vocabulary:
        """Return the vocabulary of `tokenizer` with those of the `pieces` of a source that it lacks."""
        lacking = (piece for piece in pieces if tokenizer.id_of(piece) is None)
        return cls(tokenizer, tuple(dict.fromkeys(lacking)))

    def ids(self, pieces: Sequence[str]) -> list[int]:
        """Return the number of each of `pieces`; UNK for those that neither tokenizer nor source has."""
        own = {word: self.tokenizer.size + at for at, word in enumerate(self.words)}
        known = [self.tokenizer.id_of(piece) for piece in pieces]
        return [own.get(piece, UNK) if number is None else number for piece, number in zip(pieces, known, strict=True)]

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`, without special symbols."""
        return self.ids(self.tokenizer.pieces(text)) if self.words else self.tokenizer.encode(text)

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the tokens of `ids` for display."""
        if not self.words:
            return self.tokenizer.tokens(ids)
        size = self.tokenizer.size
        return [self.words[each - size] if each >= size else self.tokenizer.tokens([each])[0] for each in ids]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids` without special symbols."""
        if not self.words:
            return self.tokenizer.decode(ids)
        return self.tokenizer.join(self.tokens([each for each in ids if each not in (PAD, BOS, EOS)]))

"""Reads sentences as token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from attncli.data.columns import Places, Reader
from attncli.data.tokens import Tokens, pad_copies, pad_tokens
from attncli.errors import DataError
from attncli.text.copies import Vocabulary
from attncli.text.tokenizer import EOS, Tokenizer


@dataclass(frozen=True)
class TextReader(Reader[np.ndarray]):
    """Reads sentences as token ids that end with the end symbol.

    For a decoder that copies, an item has two rows: those ids, and the numbers under which its tokens are written.
    """

    tokenizer: Tokenizer
    limit: int | None = None  # the most tokens, not counting the end symbol
    cuts: bool = False  # longer sentences are cut; otherwise they are errors
    copied_to: Tokenizer | None = None  # of a decoder that copies words of the sentence

    ahead = 4096

    def read(self, cell: str, *, seed: Sequence[int] | None = None) -> np.ndarray:
        """Return the ids of the sentence `cell`; text is not augmented. Raises DataError if it is too long."""
        ids = self.tokenizer.encode(cell)
        if self.limit is not None and len(ids) > self.limit:
            if not self.cuts:
                raise DataError(
                    f"{len(ids)} tokens, but search.max_source_length is {self.limit}; raise it "
                    "(--max-source-length) or have long sources cut (--too-long cut)"
                )
            ids = ids[: self.limit]
        if self.copied_to is None:
            return np.array([*ids, EOS])
        pieces = self.tokenizer.pieces(cell)[: len(ids)]
        copies = Vocabulary.of_source(self.copied_to, pieces).ids(pieces)
        return np.array([[*ids, EOS], [*copies, EOS]])

    def pack(self, items: Sequence[np.ndarray]) -> Tokens:
        """Return the sentences padded to the longest."""
        if self.copied_to is None:
            return pad_tokens(items)
        copies = pad_copies([item[1] for item in items], self.copied_to.size)
        return replace(pad_tokens([item[0] for item in items]), copies=copies)

    def length(self, item: np.ndarray) -> int:
        """Return the number of tokens, not counting the end symbol."""
        return int(item.shape[-1]) - 1

    def ids(self, item: np.ndarray) -> np.ndarray:
        """Return the ids of the sentence, without the end symbol."""
        return (item if self.copied_to is None else item[0])[:-1]

    def places(self, item: np.ndarray) -> Places:
        """Return the tokens as text, including the end symbol."""
        return Places(tokens=tuple(self.tokenizer.tokens([*self.ids(item).tolist(), EOS])))

    def words(self, cell: str, item: np.ndarray) -> Sequence[str]:
        """Return the pieces of the sentence; those that the vocabulary lacks keep their text."""
        return self.tokenizer.pieces(cell)[: self.length(item)]

    def vocabulary(self, cell: str, item: np.ndarray, tokenizer: Tokenizer) -> Vocabulary:
        """Return the entries of `tokenizer`, and the pieces of the sentence that it lacks if the decoder copies."""
        if self.copied_to is None:
            return Vocabulary(tokenizer)
        return Vocabulary.of_source(tokenizer, self.words(cell, item))

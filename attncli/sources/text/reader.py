"""Reads sentences as token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from attncli.data.columns import Places, Reader
from attncli.data.tokens import Tokens, pad_tokens
from attncli.errors import DataError
from attncli.text.tokenizer import EOS, Tokenizer


@dataclass(frozen=True)
class TextReader(Reader[np.ndarray]):
    """Reads sentences as token ids that end with the end symbol."""

    tokenizer: Tokenizer
    limit: int | None = None  # the most tokens, not counting the end symbol
    cuts: bool = False  # longer sentences are cut; otherwise they are errors

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
        return np.array([*ids, EOS])

    def pack(self, items: Sequence[np.ndarray]) -> Tokens:
        """Return the sentences padded to the longest."""
        return pad_tokens(items)

    def length(self, item: np.ndarray) -> int:
        """Return the number of tokens, not counting the end symbol."""
        return len(item) - 1

    def places(self, item: np.ndarray) -> Places:
        """Return the tokens as text, including the end symbol."""
        return Places(tokens=tuple(self.tokenizer.tokens(item.tolist())))

    def words(self, cell: str, item: np.ndarray) -> Sequence[str]:
        """Return the pieces of the sentence; those that the vocabulary lacks keep their text."""
        return self.tokenizer.pieces(cell)[: len(item) - 1]

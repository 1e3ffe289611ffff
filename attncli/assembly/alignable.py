"""How many targets CTC can write with the positions of their sources."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from attncli.data.corpus import Array, Corpus
from attncli.errors import DataError, counted

_BLOCK = 1 << 16  # examples whose targets are looked at together, since millions of them would not fit into memory


def alignable_notes(train: Corpus, dev: Corpus) -> Iterator[str]:
    """Yield notes on targets that need more positions than their sources have, and so are beyond CTC.

    Raises a DataError where no training target can be written.
    """
    for key, corpus in (("train", train), ("dev", dev)):
        beyond = sum(int(_is_beyond(corpus, rows).sum()) for rows in _blocks(len(corpus)))
        if key == "train" and beyond == len(corpus):
            raise DataError(
                "data.train: every target needs more positions for CTC (model.ctc) than its source has, one for each "
                "token and one between equal neighbours; give an encoder that joins fewer positions, or longer tokens"
            )
        if beyond:
            yield (
                f"{key}: {counted(beyond, 'target')} of {len(corpus):,} with more tokens than CTC can write on the "
                f"positions of their sources, which count in the decoder's loss alone"
            )


def _blocks(count: int) -> Iterator[Array]:
    for start in range(0, count, _BLOCK):
        yield np.arange(start, min(start + _BLOCK, count))


def _is_beyond(corpus: Corpus, rows: Array) -> Array:
    """Return for which of the examples `rows`, which follow each other, the target is beyond CTC."""
    column = corpus.target
    ends = column.offsets[rows[0] : rows[-1] + 2]
    tokens = column.tokens[ends[0] : ends[-1]]
    # A blank must part equal neighbours; the end symbol, which is written by no position, is no token's equal.
    repeats = np.concatenate([[0], np.cumsum(tokens[1:] == tokens[:-1])])
    starts, lasts = ends[:-1] - ends[0], ends[1:] - ends[0] - 1
    needed = lasts - starts + repeats[lasts] - repeats[starts]
    return needed > corpus.source.lengths[corpus.source_of[rows]]  # type: ignore[no-any-return]

"""The shortlist that a corpus of text shows."""

from __future__ import annotations

from attncli.data.corpus import Corpus
from attncli.data.tokens import CopiedColumn, TokenColumn
from attncli.text.shortlist import Shortlist, learned_shortlist
from attncli.text.tokenizer import Tokenizers

_MOST_LINKS = 20_000_000
"""Pairs of a source's token and a target's that are counted, about 90,000 sentence pairs of 15 tokens a side."""


def shortlist_of(corpus: Corpus, tokenizers: Tokenizers) -> Shortlist:
    """Return the shortlist that `corpus`, of text, shows; of a large one, pairs at even distances."""
    column = corpus.source
    source = column.source if isinstance(column, CopiedColumn) else column
    assert isinstance(source, TokenColumn), "sources are text"
    links = int((corpus.source_lengths.astype(int) * corpus.target_lengths).sum())
    rows = range(0, len(corpus), -(-links // _MOST_LINKS))
    pairs = ((source.row(int(corpus.source_of[row]))[:-1], corpus.target.row(row)[:-1]) for row in rows)
    return learned_shortlist(pairs, source_vocabulary=tokenizers.source.size, target_vocabulary=tokenizers.target.size)

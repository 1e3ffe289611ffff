"""How text becomes tokens."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from attncli.config.quantities import Count
from attncli.config.section import Section


class Tokenizer(Section):
    """A sentencepiece model, trained on the training text and saved in the run."""

    kind: Literal["bpe", "unigram", "word", "char"] = "bpe"
    """`bpe` and `unigram` split words into learned pieces, `word` splits at white space and punctuation, `char` splits
    into characters."""
    vocabulary_size: int = Field(default=8000, ge=8, le=10**6)
    """Maximum vocabulary size, including the four special tokens (of each side, if separate)."""
    shared: bool = True
    """Use one vocabulary for both languages instead of one for each."""
    lowercase: bool = False
    """Lower-case all text first; output is then lower-cased too."""
    training_sentences: Count = 2_000_000
    """Maximum number of sentences per side to train the tokenizer on, sampled evenly."""

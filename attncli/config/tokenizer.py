"""How text becomes tokens."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from attncli.config.section import Section


class Tokenizer(Section):
    """A sentencepiece model, trained on the training text and saved in the run."""

    kind: Literal["bpe", "unigram", "word", "char"] = "bpe"
    """`bpe` and `unigram` cut words into learned pieces, `word` cuts at white space and punctuation, `char` cuts
    everywhere."""
    vocabulary_size: int = Field(default=8000, ge=8)
    """The most tokens of a vocabulary, its four special ones included (of each, if they are separate)."""
    shared: bool = True
    """One vocabulary for both languages, or one each."""
    lowercase: bool = False
    """Turn everything to lower case first. Output is then lower-cased too."""
    training_sentences: int = Field(default=2_000_000, ge=1)
    """The most sentences of a side that the tokenizer is trained on (an even sample)."""

"""How text becomes tokens."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from attncli.config.quantities import Count
from attncli.config.section import Section


class LabelTokenizer(Section):
    """Targets that are labels: a whole target is one token, and the labels are those of the training targets."""

    kind: Literal["label"]
    """The kind."""


class Tokenizer(Section):
    """A sentencepiece model, trained on the training text and saved in the run."""

    kind: Literal["bpe", "unigram", "word", "char"] = "bpe"
    """`bpe` and `unigram` split words into learned pieces, `word` splits at white space and punctuation, `char` splits
    into characters."""
    vocabulary_size: int = Field(default=8000, ge=8, le=10**6)
    """Maximum vocabulary size, including the four special tokens (of each side, if separate)."""
    shared: bool = True
    """Use one vocabulary for both languages instead of one for each. Labels are always a vocabulary of their own."""
    target: LabelTokenizer | None = None
    """`{kind: label}` makes every target one of a closed set of labels, such as the answers to questions, instead of
    text. By default targets are text."""
    lowercase: bool = False
    """Lower-case all text first; output is then lower-cased too."""
    training_sentences: Count = 2_000_000
    """Maximum number of sentences per side to train the tokenizer on, sampled evenly."""

    @property
    def is_shared(self) -> bool:
        """Whether both sides share one vocabulary."""
        return self.shared and self.target is None

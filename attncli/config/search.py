"""How a trained model is decoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from attncli.config.quantities import BeamSize, Length, Share, Size
from attncli.config.section import Section

LONGEST_SHORTLIST = 20


class Search(Section):
    """Beam search; a beam of one is greedy."""

    beam_size: BeamSize = 5
    """Hypotheses kept for each source; 1 is greedy search."""
    length_penalty: Annotated[float, Field(ge=0, le=100)] = 1.0
    """The exponent α in ((5 + |y|) / 6)^α, which divides a hypothesis's log-probability (Wu et al. 2016, eq. 14)."""
    patience: Annotated[float, Field(ge=1, le=1000)] | None = None
    """End the search for a source once this many times `beam_size` hypotheses have finished, though better ones might
    still come (Kasai et al. 2022). Many toolkits search with 1, which is faster and may cost some BLEU; 2 hardly does.
    None goes on until nothing better can come. A beam of 1 ends with its first end."""
    ctc_weight: Share | None = None
    """λ in λ · CTC + (1 - λ) · the decoder's log-probability of a target, where the model has CTC; by default
    `model.ctc.weight`. 0 is the decoder alone, 1 CTC alone (Watanabe et al. 2017, section II-C)."""
    max_length: Length = 200
    """Maximum number of target tokens, including the end symbol."""
    unknown: Literal["forbid", "allow"] = "forbid"
    """Whether the unknown token, which stands for what the vocabulary cannot write, may be written."""
    min_length: Length = 1
    """Minimum number of target tokens, including the end symbol."""
    no_repeat_ngram_size: Length | None = None
    """The length of n-grams of tokens of which none may be written twice in a target. None forbids no repetition."""
    shortlist: Annotated[int, Field(ge=0, le=LONGEST_SHORTLIST)] = 0
    """Write for a source nothing but the 1,000 most frequent tokens and this many likely translations of each of its
    tokens (Jean et al. 2015, section 3.3): faster, and with 5 about as good. For text that is written for text. 0 does
    not limit what is written. Validation never limits it."""
    max_source_length: Length | None = None
    """Maximum number of source tokens. No limit by default."""
    too_long: Literal["error", "cut"] = "error"
    """What to do about a source over `max_source_length`: report it as an error, or cut it."""
    batch_size: Size = 64
    """Sources decoded together."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Precision of matrix products: single, or bfloat16, which is faster where the processor supports it and slightly
    less exact."""

    @model_validator(mode="after")
    def _may_end(self) -> Search:
        if self.min_length > self.max_length:
            raise ValueError(f"min_length {self.min_length} is over max_length {self.max_length}")
        return self

    def changed(self, given: Mapping[str, Any]) -> Search:
        """Return these settings with those of `given` that are not None."""
        changes = {key: value for key, value in given.items() if value is not None}
        return Search.model_validate({**self.model_dump(), **changes})

"""What `eval` measures."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from attncli.config.problems import shown_value
from attncli.config.section import Section

Length = Annotated[int, Field(ge=1)]


class Evaluation(Section):
    """Scores, their bounds, and BLEU by length."""

    length_bins: tuple[Length, ...] = (10, 20, 30, 40, 50, 60)
    """Upper limits, in words, of the bins for BLEU by length; longer sentences form the last bin."""
    bootstrap_samples: Annotated[int, Field(ge=1)] = 1000
    """Bootstrap resamples for the 95 % bounds and the paired tests."""
    seed: Annotated[int, Field(ge=0)] = 12345
    """Seed for the resampling."""

    @model_validator(mode="after")
    def _bins_rise(self) -> Evaluation:
        if any(a >= b for a, b in zip(self.length_bins, self.length_bins[1:], strict=False)):
            raise ValueError(f"length_bins must rise, but are {shown_value(self.length_bins)}")
        return self

"""What `eval` measures."""

from __future__ import annotations

from pydantic import model_validator

from attncli.config.problems import shown_value
from attncli.config.quantities import Length, Resamples, Seed
from attncli.config.section import Section


class Evaluation(Section):
    """Scores, their bounds, and BLEU by length."""

    length_bins: tuple[Length, ...] = (10, 20, 30, 40, 50, 60)
    """Upper limits, in words, of the bins for BLEU by length; longer sentences form the last bin."""
    bootstrap_samples: Resamples = 1000
    """Bootstrap resamples for the 95 % bounds and the paired tests."""
    seed: Seed = 12345
    """Seed for the resampling."""

    @model_validator(mode="after")
    def _bins_rise(self) -> Evaluation:
        if any(a >= b for a, b in zip(self.length_bins, self.length_bins[1:], strict=False)):
            raise ValueError(f"length_bins must rise, but are {shown_value(self.length_bins)}")
        return self

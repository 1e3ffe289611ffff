"""What `eval` measures."""

from __future__ import annotations

from itertools import pairwise

from pydantic import model_validator

from attncli.config.problems import shown_value
from attncli.config.quantities import Duration, Length, Resamples, Seed
from attncli.config.section import Section


class Evaluation(Section):
    """Scores, their bounds, and BLEU by length."""

    length_bins: tuple[Length, ...] = (10, 20, 30, 40, 50, 60)
    """Upper limits, in words, of the bins for BLEU by length; longer sentences form the last bin."""
    duration_bins: tuple[Duration, ...] = (1, 2, 3, 4, 6, 8, 10, 15, 20, 30)
    """Upper limits, in seconds, of the bins for scores by the length of recordings and films; longer ones form the last
    bin."""
    bootstrap_samples: Resamples = 1000
    """Bootstrap resamples for the 95 % bounds and the paired tests."""
    seed: Seed = 12345
    """Seed for the resampling."""

    @model_validator(mode="after")
    def _bins_rise(self) -> Evaluation:
        for key in ("length_bins", "duration_bins"):
            bins: tuple[float, ...] = getattr(self, key)
            if any(a >= b for a, b in pairwise(bins)):
                raise ValueError(f"{key} must rise, but are {shown_value(bins)}")
        return self

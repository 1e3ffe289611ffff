"""How a trained model is decoded."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from attncli.config.section import Section


class Search(Section):
    """Beam search; a beam of one is greedy."""

    beam_size: Annotated[int, Field(ge=1)] = 5
    """Hypotheses kept a source."""
    length_penalty: Annotated[float, Field(ge=0)] = 1.0
    """The exponent α in ((5 + |y|) / 6)^α, which divides a hypothesis's log-probability (Wu et al. 2016, eq. 14)."""
    max_length: Annotated[int, Field(ge=1)] = 200
    """The most target tokens, the end symbol included."""
    max_source_length: Annotated[int, Field(ge=1)] | None = None
    """The most source tokens; a longer source is an error or is cut, as asked. No limit by default."""
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Sources decoded together."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of matrix products: full, or bfloat16, faster where the processor has it and a little less exact."""

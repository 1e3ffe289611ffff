"""The kinds of quantities in a configuration, each with its range.

The upper ends are beyond what anybody trains, and below what fails in obscure ways: numbers that no tensor can have as
its size, that overflow in float32, or that take all memory before anything is computed.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

_LONGEST_NAME = 200  # bytes; most file systems allow 255

# Whole numbers.
Size = Annotated[int, Field(ge=1, le=2**16)]
"""Width of a layer."""
Layers = Annotated[int, Field(ge=1, le=1000)]
"""Number of layers, blocks or heads."""
Length = Annotated[int, Field(ge=1, le=100_000)]
"""Positions of a sequence, in tokens, words or steps."""
Duration = Annotated[float, Field(gt=0, le=1_000_000)]
"""Seconds of a recording or film."""
Pixels = Annotated[int, Field(ge=1, le=4096)]
"""Height or width of an image."""
Count = Annotated[int, Field(ge=1, le=10**9)]
"""Steps, epochs, examples or tokens."""
Updates = Annotated[int, Field(ge=0, le=10**9)]
"""Steps of a warm-up, of which there may be none."""
BeamSize = Annotated[int, Field(ge=1, le=1000)]
"""Hypotheses or samples of a source."""
Resamples = Annotated[int, Field(ge=1, le=100_000)]
"""Bootstrap resamples."""
Index = Annotated[int, Field(ge=0, le=1000)]
"""Place in a list, from 0."""
ColumnNumber = Annotated[int, Field(ge=0, le=100_000)]
"""Place of a column, from 1; that there is no 0 is better said by who reads the table."""
Seed = Annotated[int, Field(ge=0, lt=2**63)]
"""Seed of a generator of random numbers."""

# Numbers.
Rate = Annotated[float, Field(ge=0, lt=1)]
"""Share that may be nothing but not all, such as a dropout rate or the decay of a running mean."""
Share = Annotated[float, Field(ge=0, le=1)]
"""Share of a whole."""
Weight = Annotated[float, Field(ge=0, le=1000)]
"""Weight of a term of the loss."""
LearningRate = Annotated[float, Field(ge=1e-12, le=1000)]
"""Learning rate, or the factor of a schedule on it."""
RateFactor = Annotated[float, Field(ge=1e-6, le=1000)]
"""Factor on the learning rate of some weights."""
Temperature = Annotated[float, Field(ge=0.001, le=1000)]
"""Divisor of logits or scores before a softmax."""


def _is_path(text: str) -> str:
    if not text:
        raise ValueError("should be a path, but is empty")
    if "\0" in text:
        raise ValueError("should be a path, but holds the character U+0000")
    return text


def _is_name(text: str) -> str:
    if text in ("", ".", "..") or "/" in text or "\0" in text or len(text.encode()) > _LONGEST_NAME:
        raise ValueError("should be the name of a folder: not empty, without '/', and not too long")
    return text


PathText = Annotated[str, AfterValidator(_is_path), Field(json_schema_extra={"minLength": 1})]
"""Path of a file or a folder."""
SetName = Annotated[str, AfterValidator(_is_name), Field(json_schema_extra={"minLength": 1})]
"""Name of a test set, after which the folder of its evaluation is called."""

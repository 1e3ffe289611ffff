"""Summarisation: paragraphs in, sentences out."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from attncli.config.data import MaximumLength, TranslationData
from attncli.config.quantities import Length
from attncli.config.search import Search
from attncli.config.section import MAY_CHANGE
from attncli.config.tasks.translation import TranslationModel
from attncli.config.writing import WritingConfig, WritingTraining, WritingValidation

_LONGEST = 400  # tokens of a source that are read, as See et al. 2017 do


class SummarisationData(TranslationData):
    """Paragraphs with their summaries, a line each."""

    maximum_length: MaximumLength = MaximumLength(source=_LONGEST)
    """Limits on the length of training pairs."""
    too_long: Literal["drop", "error", "cut"] = "cut"
    """What to do about a training pair over `maximum_length`: skip it and report how many were skipped (`drop`), stop
    (`error`), or cut its source and skip it only if its target is too long (`cut`). Dev sources are cut too."""


class SummarisationValidation(WritingValidation):
    """What is measured on the dev set during training."""

    metric: Literal["rouge1", "rouge2", "rougeL", "loss"] = "rougeL"
    """What selects checkpoints and stops early: the F1 of ROUGE of decoded text, or the mean loss per token."""


class SummarisationTraining(WritingTraining):
    """The training loop."""

    validation: SummarisationValidation = SummarisationValidation()
    """Settings of the validation."""


class SummarisationSearch(Search):
    """Beam search; a beam of one is greedy."""

    max_source_length: Length | None = _LONGEST
    """Maximum number of source tokens; None for no limit."""
    too_long: Literal["error", "cut"] = "cut"
    """What to do about a source over `max_source_length`: report it as an error, or cut it."""


class SummarisationConfig(WritingConfig):
    """Summaries of paragraphs."""

    task: Literal["summarisation"]
    """The task."""
    data: SummarisationData
    """The paragraphs and summaries."""
    model: TranslationModel = TranslationModel()
    """The network."""
    training: SummarisationTraining
    """Settings of the training."""
    search: Annotated[SummarisationSearch, MAY_CHANGE] = SummarisationSearch()
    """Settings of the search."""

    metrics: ClassVar[tuple[str, ...]] = ("rouge1", "rouge2", "rougeL", "bleu", "chrf")
    measured: ClassVar[tuple[str, ...]] = ("rouge1", "rouge2", "rougeL")

"""Answering: questions about something in, answers out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from attncli.config.evaluation import Evaluation
from attncli.config.joint import JointModel, joint_conflicts
from attncli.config.quantities import Length
from attncli.config.section import MAY_CHANGE
from attncli.config.sources.images import ImageReading
from attncli.config.tables import TableData
from attncli.config.writing import WritingConfig, WritingTraining, WritingValidation


class AnsweringValidation(WritingValidation):
    """What is measured on the dev set during training."""

    metric: Literal["accuracy", "loss"] = "accuracy"
    """What selects checkpoints and stops early: the share of answers that are exactly right, or the mean loss per
    token."""


class AnsweringTraining(ImageReading, WritingTraining):
    """The training loop."""

    validation: AnsweringValidation = AnsweringValidation()
    """Settings of the validation."""


class AnsweringEvaluation(Evaluation):
    """Scores, their bounds, and accuracy by the length of the question."""

    length_bins: tuple[Length, ...] = (5, 6, 7, 8, 10)
    """Upper limits, in words, of the bins for scores by length; longer questions form the last bin."""


class AnsweringConfig(WritingConfig):
    """Answers to questions, such as those about an image."""

    task: Literal["answering"]
    """The task."""
    data: TableData
    """The questions and answers."""
    model: JointModel
    """The network."""
    training: AnsweringTraining
    """Settings of the training."""
    evaluation: Annotated[AnsweringEvaluation, MAY_CHANGE] = AnsweringEvaluation()
    """Settings of `eval`."""

    example: ClassVar[str] = "question"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "bleu", "chrf")
    measured: ClassVar[tuple[str, ...]] = ("accuracy",)

    def conflicts(self) -> Iterator[str]:
        """Yield each broken rule between sections as `key: what is wrong`."""
        yield from super().conflicts()
        yield from joint_conflicts(self)

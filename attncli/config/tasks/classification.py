"""Classification: sources of any kind in, labels out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Tag

from attncli.config.decoders import ClassifierDecoder, LSTMNDecoder, RecurrentDecoder, TransformerDecoder
from attncli.config.joint import JointModel, joint_conflicts
from attncli.config.networks import network_kind
from attncli.config.sources.images import ImageReading
from attncli.config.tables import TableData
from attncli.config.tokenizer import LabelTokenizer, Tokenizer
from attncli.config.writing import WritingConfig, WritingTraining, WritingValidation


def _decoder_kind(value: Any) -> str | None:
    is_default = isinstance(value, dict) and "kind" not in value
    return "classifier" if is_default else network_kind(value)


class ClassificationTokenizer(Tokenizer):
    """A sentencepiece model of sources that are text, trained on the training text and saved in the run."""

    target: LabelTokenizer = LabelTokenizer(kind="label")
    """Targets are labels: each is one token, and the labels are those of the training targets."""


class ClassificationModel(JointModel):
    """One or several encoders of sources, and a decoder of labels."""

    decoder: Annotated[
        Annotated[ClassifierDecoder, Tag("classifier")]
        | Annotated[RecurrentDecoder, Tag("recurrent")]
        | Annotated[LSTMNDecoder, Tag("lstmn")]
        | Annotated[TransformerDecoder, Tag("transformer")],
        Discriminator(_decoder_kind),
    ] = ClassifierDecoder()
    """The decoder, of kind `classifier` unless it says otherwise."""


class ClassificationValidation(WritingValidation):
    """What is measured on the dev set during training."""

    metric: Literal["accuracy", "loss"] = "accuracy"
    """What selects checkpoints and stops early: the share of labels that are right, or the mean loss per label."""


class ClassificationTraining(ImageReading, WritingTraining):
    """The training loop."""

    validation: ClassificationValidation = ClassificationValidation()
    """Settings of the validation."""


class ClassificationConfig(WritingConfig):
    """Labels for sources of any kind."""

    task: Literal["classification"]
    """The task."""
    data: TableData
    """The sources and their labels."""
    tokenizer: ClassificationTokenizer = ClassificationTokenizer()
    """The tokenizer."""
    model: ClassificationModel
    """The network."""
    training: ClassificationTraining
    """Settings of the training."""

    example: ClassVar[str] = "example"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy",)
    measured: ClassVar[tuple[str, ...]] = ("accuracy",)

    def conflicts(self) -> Iterator[str]:
        """Yield each broken rule between sections as `key: what is wrong`."""
        yield from super().conflicts()
        yield from joint_conflicts(self)

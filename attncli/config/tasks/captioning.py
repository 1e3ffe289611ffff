"""Captioning: images in, sentences out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from attncli.config.captions import CaptioningData
from attncli.config.evaluation import Evaluation
from attncli.config.quantities import Count, Length, RateFactor
from attncli.config.section import MAY_CHANGE
from attncli.config.sources.images import CNN, EfficientNetLite0, ImageReading, Timm
from attncli.config.sources.video import Frames
from attncli.config.writing import WritingConfig, WritingModel, WritingTraining, WritingValidation


class CaptioningModel(WritingModel):
    """An encoder of images or films and a decoder of tokens."""

    tied_embeddings: Literal["none", "target"] = "none"
    """`target`: the output layer shares the embeddings (its input is then projected to `embedding_size`)."""
    encoder: Annotated[CNN | EfficientNetLite0 | Timm | Frames, Field(discriminator="kind")] = CNN()
    """The network that reads the image or, of kind `frames`, the film."""


class CaptioningValidation(WritingValidation):
    """What is measured on the dev set during training."""

    metric: Literal["bleu_4", "cider", "bleu", "loss"] = "bleu_4"
    """What selects checkpoints and stops early: BLEU-4 or CIDEr of the COCO evaluation or sacreBLEU's BLEU, each of
    decoded captions against all references, or the mean loss per token."""


class CaptioningTraining(ImageReading, WritingTraining):
    """The training loop."""

    batch_sentences: Count | None = 64
    """Maximum number of captions in a batch, in addition to `batch_tokens`; with `self_critical`, the number of images
    in a batch."""
    output_rate_factor: RateFactor = 1.0
    """Multiplier on the learning rate of the output layer. Values above 1 overfit small sets of captions."""
    validation: CaptioningValidation = CaptioningValidation()
    """Settings of the validation."""


class CaptioningEvaluation(Evaluation):
    """Scores, their bounds, and BLEU by the length of the shortest reference."""

    length_bins: tuple[Length, ...] = (6, 8, 10, 12)
    """Upper limits, in words, of the bins for BLEU by length; longer references form the last bin."""


class CaptioningConfig(WritingConfig):
    """Captions of images."""

    task: Literal["captioning"]
    """The task."""
    data: CaptioningData
    """The images and captions."""
    model: CaptioningModel = CaptioningModel()
    """The network."""
    training: CaptioningTraining
    """Settings of the training."""
    evaluation: Annotated[CaptioningEvaluation, MAY_CHANGE] = CaptioningEvaluation()
    """Settings of `eval`."""

    example = "caption"
    metrics = ("bleu", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "chrf", "rouge_l", "cider", "meteor")
    measured = ("bleu", "bleu_4", "cider")

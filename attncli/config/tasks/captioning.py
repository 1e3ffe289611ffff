"""Captioning: images in, sentences out."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from attncli.config.captions import CaptioningData
from attncli.config.evaluation import Evaluation, Length
from attncli.config.sources.images import CNN, ImageEncoders, ImageReading
from attncli.config.training import Positive
from attncli.config.writing import WritingConfig, WritingModel, WritingTraining, WritingValidation


class CaptioningModel(WritingModel):
    """An encoder of images and a decoder of tokens."""

    tied_embeddings: Literal["none", "target"] = "none"
    """`target`: the output layer uses the embeddings (then its input is projected to `embedding_size`)."""
    encoder: ImageEncoders = CNN()
    """What reads the image."""


class CaptioningValidation(WritingValidation):
    """What is measured on the dev set during training."""

    metric: Literal["bleu_4", "cider", "bleu", "loss"] = "bleu_4"
    """What chooses checkpoints, and stops early: BLEU-4 or CIDEr of the COCO evaluation, sacreBLEU's BLEU, all of real
    decoding against all references, or the mean loss a token."""


class CaptioningTraining(ImageReading, WritingTraining):
    """The training loop."""

    batch_sentences: int | None = Field(default=64, ge=1)
    """The most captions of a batch, besides `batch_tokens`; where captions are drawn (`self_critical`), the images of
    a batch."""
    output_rate_factor: Positive = 1.0
    """What the learning rate of the output layer is multiplied by; captions are few, and learned by heart at more."""
    validation: CaptioningValidation = CaptioningValidation()
    """What a validation measures."""


class CaptioningEvaluation(Evaluation):
    """Scores, their bounds, and BLEU by the length of the shortest reference."""

    length_bins: tuple[Length, ...] = (6, 8, 10, 12)
    """Upper ends, in words, of the bins of BLEU by length; longer references form a last one."""


class CaptioningConfig(WritingConfig):
    """Captions of images."""

    task: Literal["captioning"]
    """What is learned."""
    data: CaptioningData
    """The images and captions."""
    model: CaptioningModel = CaptioningModel()
    """The network."""
    training: CaptioningTraining
    """How it is trained."""
    evaluation: CaptioningEvaluation = CaptioningEvaluation()
    """What `eval` measures."""

    example = "caption"
    metrics = ("bleu", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "chrf", "rouge_l", "cider", "meteor")
    measured = ("bleu", "bleu_4", "cider")

"""Translation: sentences in, sentences out."""

from __future__ import annotations

from typing import ClassVar, Literal

from attncli.config.data import TranslationData
from attncli.config.sources.text import RecurrentEncoder, TextEncoder
from attncli.config.writing import WritingConfig, WritingModel, WritingTraining, WritingValidation


class TranslationModel(WritingModel):
    """An encoder-decoder over tokens."""

    encoder: TextEncoder = RecurrentEncoder()
    """The encoder, of kind `recurrent` unless it says otherwise."""


class TranslationValidation(WritingValidation):
    """What is measured on the dev set during training."""

    metric: Literal["bleu", "loss"] = "bleu"
    """What selects checkpoints and stops early: BLEU of decoded text, or the mean loss per token."""


class TranslationTraining(WritingTraining):
    """The training loop."""

    validation: TranslationValidation = TranslationValidation()
    """Settings of the validation."""


class TranslationConfig(WritingConfig):
    """Translation from one language into another."""

    task: Literal["translation"]
    """The task."""
    data: TranslationData
    """The sentences."""
    model: TranslationModel = TranslationModel()
    """The network."""
    training: TranslationTraining
    """Settings of the training."""

    metrics: ClassVar[tuple[str, ...]] = ("bleu", "chrf", "ter", "comet")

"""Translation: sentences in, sentences out."""

from __future__ import annotations

from typing import Literal

from attncli.config.data import TranslationData
from attncli.config.sources.text import RecurrentEncoder, TextEncoder
from attncli.config.writing import WritingConfig, WritingModel, WritingTraining, WritingValidation


class TranslationModel(WritingModel):
    """An encoder-decoder over tokens."""

    encoder: TextEncoder = RecurrentEncoder()
    """What reads the source; without a `kind` it is a recurrent one."""


class TranslationValidation(WritingValidation):
    """What is measured on the dev set during training."""

    metric: Literal["bleu", "loss"] = "bleu"
    """What chooses checkpoints, and stops early: BLEU of real decoding, or the mean loss a token."""


class TranslationTraining(WritingTraining):
    """The training loop."""

    validation: TranslationValidation = TranslationValidation()
    """What a validation measures."""


class TranslationConfig(WritingConfig):
    """Translation from one language into another."""

    task: Literal["translation"]
    """What is learned."""
    data: TranslationData
    """The sentences."""
    model: TranslationModel = TranslationModel()
    """The network."""
    training: TranslationTraining
    """How it is trained."""

"""Transcription: recordings, or films of who speaks, in; the words that are said in them out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Tag

from attncli.config.evaluation import Evaluation
from attncli.config.quantities import Length
from attncli.config.section import MAY_CHANGE, Section
from attncli.config.sources.audio import AudioReading, SpecAugment, Spectrogram
from attncli.config.sources.images import Augmentation, ImageReading
from attncli.config.sources.video import Frames
from attncli.config.tables import TableData
from attncli.config.tokenizer import Tokenizer
from attncli.config.writing import WritingConfig, WritingModel, WritingTraining, WritingValidation


def _encoder_kind(value: Any) -> str | None:
    if isinstance(value, Section):
        return str(value.kind)  # type: ignore[attr-defined]
    return str(value.get("kind", "spectrogram")) if isinstance(value, dict) else None


class TranscriptionTokenizer(Tokenizer):
    """A sentencepiece model, trained on the training text and saved in the run."""

    kind: Literal["bpe", "unigram", "word", "char"] = "char"
    """`bpe` and `unigram` split words into learned pieces, `word` splits at white space and punctuation, `char` splits
    into characters."""


class TranscriptionModel(WritingModel):
    """An encoder of recordings or films, and a decoder of tokens."""

    tied_embeddings: Literal["none", "target"] = "none"
    """`target`: the output layer shares the embeddings (its input is then projected to `embedding_size`)."""
    encoder: Annotated[
        Annotated[Spectrogram, Tag("spectrogram")] | Annotated[Frames, Tag("frames")], Discriminator(_encoder_kind)
    ] = Spectrogram()
    """The network that reads the recording, or the film of who speaks, of kind `spectrogram` unless it says
    otherwise."""


class TranscriptionValidation(WritingValidation):
    """What is measured on the dev set during training."""

    metric: Literal["wer", "cer", "loss"] = "wer"
    """What selects checkpoints and stops early: the word or character error rate of decoded text, or the mean loss per
    token."""


class TranscriptionTraining(AudioReading, ImageReading, WritingTraining):
    """The training loop."""

    validation: TranscriptionValidation = TranscriptionValidation()
    """Settings of the validation."""


class TranscriptionEvaluation(Evaluation):
    """Scores, their bounds, and the word error rate by the length of the reference."""

    length_bins: tuple[Length, ...] = (2, 4, 6, 8, 10, 15, 20)
    """Upper limits, in words, of the bins for scores by length; longer references form the last bin."""


class TranscriptionConfig(WritingConfig):
    """Transcripts of recordings or films."""

    task: Literal["transcription"]
    """The task."""
    data: TableData
    """The recordings or films, and their transcripts."""
    tokenizer: TranscriptionTokenizer = TranscriptionTokenizer()
    """The tokenizer."""
    model: TranscriptionModel = TranscriptionModel()
    """The network."""
    training: TranscriptionTraining
    """Settings of the training."""
    evaluation: Annotated[TranscriptionEvaluation, MAY_CHANGE] = TranscriptionEvaluation()
    """Settings of `eval`."""

    example: ClassVar[str] = "transcript"
    metrics: ClassVar[tuple[str, ...]] = ("wer", "cer")
    measured: ClassVar[tuple[str, ...]] = ("wer", "cer")

    def conflicts(self) -> Iterator[str]:
        """Yield each broken rule between sections as `key: what is wrong`."""
        yield from super().conflicts()
        if len(self.data.sources) > 1:
            yield (
                f"data.columns: has the sources {', '.join(self.data.sources)}, but model.encoder reads one; keep one "
                "of them"
            )
        encoder, training = self.model.encoder, self.training
        if isinstance(encoder, Frames) and training.spec_augment != SpecAugment():
            yield f"training.spec_augment: masks recordings, but {encoder.reading}; remove it"
        if isinstance(encoder, Spectrogram) and training.augmentation != Augmentation():
            yield f"training.augmentation: varies images and films, but {encoder.reading}; remove it"
        for name in self.data.sources[:1]:
            if name not in self.data.folders:
                yield f"data.folders: {self.model.encoder.reading}; give data.folders.{name}, where they are"

"""Transcription: recordings in, the words that are said in them out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from attncli.config.evaluation import Evaluation
from attncli.config.quantities import Length
from attncli.config.section import MAY_CHANGE
from attncli.config.sources.audio import AudioReading, Spectrogram
from attncli.config.tables import TableData
from attncli.config.tokenizer import Tokenizer
from attncli.config.writing import WritingConfig, WritingModel, WritingTraining, WritingValidation


class TranscriptionTokenizer(Tokenizer):
    """A sentencepiece model, trained on the training text and saved in the run."""

    kind: Literal["bpe", "unigram", "word", "char"] = "char"
    """`bpe` and `unigram` split words into learned pieces, `word` splits at white space and punctuation, `char` splits
    into characters."""


class TranscriptionModel(WritingModel):
    """An encoder of recordings and a decoder of tokens."""

    tied_embeddings: Literal["none", "target"] = "none"
    """`target`: the output layer shares the embeddings (its input is then projected to `embedding_size`)."""
    encoder: Spectrogram = Spectrogram()
    """The network that reads the recording."""


class TranscriptionValidation(WritingValidation):
    """What is measured on the dev set during training."""

    metric: Literal["wer", "cer", "loss"] = "wer"
    """What selects checkpoints and stops early: the word or character error rate of decoded text, or the mean loss per
    token."""


class TranscriptionTraining(AudioReading, WritingTraining):
    """The training loop."""

    validation: TranscriptionValidation = TranscriptionValidation()
    """Settings of the validation."""


class TranscriptionEvaluation(Evaluation):
    """Scores, their bounds, and the word error rate by the length of the reference."""

    length_bins: tuple[Length, ...] = (2, 4, 6, 8, 10, 15, 20)
    """Upper limits, in words, of the bins for scores by length; longer references form the last bin."""


class TranscriptionConfig(WritingConfig):
    """Transcripts of recordings."""

    task: Literal["transcription"]
    """The task."""
    data: TableData
    """The recordings and transcripts."""
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
        for name in self.data.sources[:1]:
            if name not in self.data.folders:
                yield f"data.folders: {self.model.encoder.reading}; give data.folders.{name}, where they are"

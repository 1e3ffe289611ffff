"""The whole configuration of a captioner: pictures and captions, the network, how it is trained and measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from attncli.config.captions import CaptioningData
from attncli.config.conflicts import decoder_conflicts
from attncli.config.evaluation import Evaluation, Length
from attncli.config.model import (
    Attention,
    AttentionChoice,
    Decoder,
    Dropout,
    InitialWeights,
    RecurrentDecoder,
    TransformerDecoder,
)
from attncli.config.objectives import CrossEntropy, Objective, SelfCritical
from attncli.config.pictures import Augmentation
from attncli.config.search import Search
from attncli.config.section import Section
from attncli.config.sources.images import CNN, EfficientNetLite0, PretrainedEncoder, Timm
from attncli.config.tokenizer import Tokenizer
from attncli.config.training import Count, Factor, Validation, WritingTraining


def _attention_kind(value: Any) -> str:
    return "<none>" if isinstance(value, str) else "<attention>"


class CaptioningModel(Section):
    """An encoder of pictures and a decoder of tokens."""

    embedding_size: Count = 256
    """Width of a token's embedding."""
    tied_embeddings: Literal["none", "target"] = "none"
    """`target`: the output layer uses the embeddings (then its input is projected to `embedding_size`)."""
    dropout: Dropout = Dropout()
    """A rate for everything, or rates for `inputs`, `layers` and `outputs`."""
    initial_weights: InitialWeights = "glorot"
    """How weights start, those of convolutions excepted: by what each layer reads (`glorot`, with orthogonal
    recurrences; Glorot and Bengio 2010, Saxe et al. 2014), or all evenly between -0.1 and 0.1 (`uniform`)."""
    encoder: Annotated[CNN | EfficientNetLite0 | Timm, Field(discriminator="kind")] = CNN()
    """What reads the picture."""
    attention: AttentionChoice = Attention()
    """`none` for one vector of the whole picture, or how the decoder looks at its regions."""
    decoder: Decoder = RecurrentDecoder()
    """What writes the caption; without a `kind` it is a recurrent one."""

    @property
    def is_frozen(self) -> bool:
        """Whether the network that reads pictures does not learn, so that its features can be computed once."""
        return isinstance(self.encoder, PretrainedEncoder) and self.encoder.fine_tune_from is None


class CaptioningValidation(Validation):
    """What is measured on the dev set during training."""

    metric: Literal["bleu_4", "cider", "bleu", "loss"] = "bleu_4"
    """What chooses checkpoints, and stops early: BLEU-4 or CIDEr of the COCO evaluation, sacreBLEU's BLEU, all of real
    decoding against all references, or the mean loss a token."""
    beam_size: Count = 1
    """Hypotheses a picture when decoding."""
    sentences: int | None = Field(default=None, ge=1)
    """Decode only the first so many pictures of the dev set; the loss is always of all captions."""


class CaptioningTraining(WritingTraining):
    """The training loop."""

    objective: Annotated[Objective, Field(discriminator="kind")] = CrossEntropy()
    """What is minimised."""
    batch_tokens: Count = 4096
    """Size of a batch: captions times the tokens of the longest. Captions that are drawn have no length beforehand."""
    batch_sentences: int | None = Field(default=64, ge=1)
    """The most captions of a batch, besides `batch_tokens`; where captions are drawn (`self_critical`), the pictures of
    a batch."""
    label_smoothing: Factor = 0.0
    """Share of the probability that is spread evenly over the vocabulary in the loss."""
    augmentation: Augmentation = Augmentation()
    """What is done to training pictures at random."""
    workers: Annotated[int, Field(ge=0)] = 2
    """Threads that read pictures ahead of the training; 0 reads each when it is needed."""
    validation: CaptioningValidation = CaptioningValidation()
    """What a validation measures."""


class CaptioningEvaluation(Evaluation):
    """Scores, their bounds, and BLEU by the length of the shortest reference."""

    length_bins: tuple[Length, ...] = (6, 8, 10, 12)
    """Upper ends, in words, of the bins of BLEU by length; longer references form a last one."""


class CaptioningConfig(Section):
    """Captions of pictures."""

    task: Literal["captioning"]
    """What is learned."""
    data: CaptioningData
    """The pictures and captions."""
    tokenizer: Tokenizer = Tokenizer()
    """How captions become tokens; there is one vocabulary, whatever `shared` says."""
    model: CaptioningModel = CaptioningModel()
    """The network."""
    training: CaptioningTraining
    """How it is trained."""
    search: Search = Search()
    """How it is decoded."""
    evaluation: CaptioningEvaluation = CaptioningEvaluation()
    """What `eval` measures."""

    def conflicts(self) -> Iterator[str]:
        """Yield each rule between sections that is broken, as `key: what is wrong`."""
        model = self.model
        yield from decoder_conflicts(
            model.attention,
            model.decoder,
            embedding_size=model.embedding_size,
            memory_size=model.encoder.memory_size,
            memory_key="model.encoder.memory_size",
            longest_target=self.search.max_length,
        )
        if isinstance(model.attention, Attention) and model.attention.window == "local_m":
            yield (
                "model.attention.window: 'local_m' looks around the number of the step, but the regions of a picture "
                "have no order; choose 'local_p' or 'global'"
            )
        if model.is_frozen and self.training.augmentation.smallest_crop < 1:
            yield (
                "training.augmentation.smallest_crop: the features of a fixed encoder are computed once, so pictures "
                "cannot be cropped anew; remove it, or let the encoder learn with model.encoder.fine_tune_from"
            )
        yield from self._size_conflicts()
        if isinstance(self.training.objective, SelfCritical):
            yield from self._self_critical_conflicts()

    def _size_conflicts(self) -> Iterator[str]:
        encoder = self.model.encoder
        if isinstance(encoder, CNN):
            cell = 2 ** len(encoder.widths)
            if encoder.preprocessing.size % cell:
                yield (
                    f"model.encoder.preprocessing.size: {encoder.preprocessing.size} is no multiple of {cell}, the "
                    f"pixels of a cell after {len(encoder.widths)} stages that halve it; choose one"
                )

    def _self_critical_conflicts(self) -> Iterator[str]:
        """Yield what would make a caption's probability another one than that which it was drawn with, or no use."""
        model, training = self.model, self.training
        if any(model.dropout.model_dump().values()):
            yield (
                "model.dropout: a drawn caption is scored by the network that drew it, which dropout changes each "
                "time; set it to 0 for training.objective.kind 'self_critical'"
            )
        if isinstance(model.attention, Attention) and model.attention.selection == "hard":
            yield (
                "model.attention.selection: 'hard' draws positions, and given others a caption has another "
                "probability than it was drawn with; choose 'soft' for training.objective.kind 'self_critical'"
            )
        if not isinstance(model.decoder, TransformerDecoder) and model.decoder.doubly_stochastic:
            yield (
                "model.decoder.doubly_stochastic: is weighed against cross-entropy; set it to 0 for "
                "training.objective.kind 'self_critical'"
            )
        if training.label_smoothing:
            yield (
                "training.label_smoothing: smooths cross-entropy; set it to 0 for training.objective.kind "
                "'self_critical'"
            )
        if training.batch_sentences is None:
            yield (
                "training.batch_sentences: is how many pictures are in a batch with training.objective.kind "
                "'self_critical'; give a number"
            )

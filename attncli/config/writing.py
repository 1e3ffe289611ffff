"""What the configurations of all tasks that write text share, and the rules between their sections.

Abstract: a task names itself, its data and its encoders, and narrows what it must.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from attncli.config.attention import Attention, AttentionChoice
from attncli.config.conflicts import decoder_conflicts
from attncli.config.decoders import Decoder, RecurrentDecoder, TransformerDecoder
from attncli.config.evaluation import Evaluation
from attncli.config.networks import Dropout, InitialWeights
from attncli.config.objectives import CrossEntropy, Objective, SelfCritical
from attncli.config.search import Search
from attncli.config.section import Section, renamed
from attncli.config.tokenizer import Tokenizer
from attncli.config.training import Count, Factor, Positive, Training, Validation


class WritingModel(Section):
    """An encoder of sources and a decoder of tokens."""

    embedding_size: int = Field(default=256, ge=1)
    """Width of a token's embedding."""
    tied_embeddings: Literal["none", "target", "all"] = "none"
    """`target`: the output layer uses the target embeddings (then its input is projected to `embedding_size`);
    `all`: the source's too, which needs text as source and a shared vocabulary."""
    dropout: Dropout = Dropout()
    """A rate for everything, or rates for `inputs`, `layers` and `outputs`."""
    initial_weights: InitialWeights = "glorot"
    """How weights start, those of convolutions excepted: by what each layer reads (`glorot`, with orthogonal
    recurrences; Glorot and Bengio 2010, Saxe et al. 2014), or all evenly between -0.1 and 0.1 (`uniform`, as OpenNMT
    and fairseq)."""
    encoder: Any
    """What reads the source."""
    attention: AttentionChoice = Attention()
    """`none` for one fixed vector of the whole source, or how the decoder looks at its positions."""
    decoder: Decoder = RecurrentDecoder()
    """What writes the target; without a `kind` it is a recurrent one."""


class WritingValidation(Validation):
    """What is measured on the dev set during training."""

    beam_size: Count = 1
    """Hypotheses a source when decoding."""
    sources: int | None = Field(default=None, ge=1)
    """Decode only the first so many sources of the dev set; the loss is always of all. The older name `sentences` is
    read too."""

    _older_name = renamed(sentences="sources")


class WritingTraining(Training):
    """The training loop."""

    objective: Annotated[Objective, Field(discriminator="kind")] = CrossEntropy()
    """What is minimised."""
    batch_tokens: Count = 4096
    """Size of a batch: targets times the tokens of the longest, or of the longest source where those are text and
    longer. Targets that are drawn have no length beforehand."""
    batch_sentences: int | None = Field(default=None, ge=1)
    """The most targets of a batch, besides `batch_tokens`; where targets are drawn (`self_critical`), the sources of a
    batch."""
    label_smoothing: Factor = 0.0
    """Share of the probability that is spread evenly over the vocabulary in the loss."""
    output_rate_factor: Positive = 3.0
    """What the learning rate of the output layer is multiplied by. At one rate for all, what a word's vector has to
    cover is learned last; 1 for that. Tied embeddings are of the output layer too."""
    validation: WritingValidation
    """What a validation measures."""


class WritingConfig(Section):
    """Text for sources of any kind."""

    task: str
    """What is learned."""
    data: Any
    """The examples."""
    tokenizer: Tokenizer = Tokenizer()
    """How text becomes tokens."""
    model: WritingModel
    """The network."""
    training: WritingTraining
    """How it is trained."""
    search: Search = Search()
    """How it is decoded."""
    evaluation: Evaluation = Evaluation()
    """What `eval` measures."""

    example: ClassVar[str] = "pair"
    """What one source with one target is called."""
    metrics: ClassVar[tuple[str, ...]] = ("bleu", "chrf", "ter")
    """What `eval` can measure, BLEU first; all but METEOR by default."""
    measured: ClassVar[tuple[str, ...]] = ("bleu",)
    """What every validation measures."""

    def conflicts(self) -> Iterator[str]:
        """Yield each rule between sections that is broken, as `key: what is wrong`."""
        model, encoder = self.model, self.model.encoder
        yield from encoder.conflicts(self)
        yield from decoder_conflicts(
            model.attention,
            model.decoder,
            embedding_size=model.embedding_size,
            memory_size=encoder.width,
            memory_key=f"model.encoder.{encoder.width_key}",
            longest_target=self.search.max_length,
        )
        if isinstance(model.attention, Attention) and model.attention.window == "local_m" and encoder.axes > 1:
            yield (
                "model.attention.window: 'local_m' looks around the number of the step, but the regions of an image "
                "have no order; choose 'local_p' or 'global'"
            )
        if model.tied_embeddings == "all" and not self.tokenizer.shared:
            yield (
                "model.tied_embeddings: 'all' needs one vocabulary for both sides, but tokenizer.shared is false; "
                "choose 'target' or share the vocabulary"
            )
        if isinstance(self.training.objective, SelfCritical):
            yield from self._self_critical_conflicts()

    def _self_critical_conflicts(self) -> Iterator[str]:
        """Yield what would give a drawn target another probability than it was drawn with, or be of no use."""
        model, training = self.model, self.training
        if any(model.dropout.model_dump().values()):
            yield (
                "model.dropout: a drawn target is scored by the network that drew it, which dropout changes each "
                "time; set it to 0 for training.objective.kind 'self_critical'"
            )
        if isinstance(model.attention, Attention) and model.attention.selection == "hard":
            yield (
                "model.attention.selection: 'hard' draws positions, and given others a target has another "
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
                "training.batch_sentences: is how many sources are in a batch with training.objective.kind "
                "'self_critical'; give a number"
            )

"""The sections that all tasks that write text share, and the rules between them.

They are abstract: each task names itself and its data, and narrows the encoders, metrics and defaults.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from attncli.config.attention import Attention, AttentionChoice
from attncli.config.conflicts import conflicts_with_a_grid, decoder_conflicts
from attncli.config.ctc import CTC, ctc_conflicts
from attncli.config.decoders import ClassifierDecoder, Decoder, LSTMNDecoder, RecurrentDecoder
from attncli.config.evaluation import Evaluation
from attncli.config.networks import Dropout, InitialWeights
from attncli.config.objectives import CrossEntropy, Objective, SelfCritical
from attncli.config.quantities import BeamSize, Count, PathText, Rate, RateFactor, SetName, Size
from attncli.config.search import Search
from attncli.config.section import MAY_CHANGE, Section, renamed
from attncli.config.sources.encoder import EncoderSection
from attncli.config.sources.joint import JointEncoder
from attncli.config.tokenizer import Tokenizer
from attncli.config.training import Training, Validation
from attncli.config.warnings import warnings_of_data, warnings_of_schedule
from attncli.errors import unknown


class WritingModel(Section):
    """An encoder of sources and a decoder of tokens."""

    embedding_size: Size = 256
    """Width of a token's embedding."""
    tied_embeddings: Literal["none", "target", "all"] = "none"
    """`target`: the output layer shares the target embeddings (its input is then projected to `embedding_size`); `all`:
    so does the source, which requires text sources and a shared vocabulary."""
    dropout: Dropout = Dropout()
    """Dropout: one rate for everything, or separate rates for `inputs`, `layers` and `outputs`."""
    initial_weights: InitialWeights = "glorot"
    """Weight initialisation, except for convolutions: by the width of what each layer reads (`glorot`, with orthogonal
    recurrences; Glorot and Bengio 2010, Saxe et al. 2014), or uniform between -0.1 and 0.1 (`uniform`, as in OpenNMT
    and fairseq)."""
    encoder: Any
    """The encoder."""
    attention: AttentionChoice = Attention()
    """`none` for a single fixed vector of the whole source, or how the decoder attends to its positions."""
    decoder: Decoder = RecurrentDecoder()
    """The decoder, of kind `recurrent` unless it says otherwise."""
    ctc: CTC | None = None
    """A second loss, over the encoder's states; `{}` for its default weight. Off by default."""

    @property
    def source(self) -> EncoderSection:
        """What reads a source: the encoder, or several as one."""
        encoder: EncoderSection = self.encoder
        return encoder


class WritingValidation(Validation):
    """What is measured on the dev set during training."""

    beam_size: BeamSize = 1
    """Beam size when decoding."""
    sources: Count | None = None
    """Decode only the first this many sources of the dev set; the loss always covers all. Formerly `sentences`, which
    still works."""

    _older_name = renamed(sentences="sources")


class WritingTraining(Training):
    """The training loop."""

    objective: Annotated[Objective, Field(discriminator="kind")] = CrossEntropy()
    """What is minimised."""
    start_from: PathText | None = None
    """Run folder whose best weights and tokenizers to start from, such as one trained on more general data; its
    `tokenizer` and `model` must be the same, except for what only says how weights are learned, such as `dropout`.
    No longer needed once the first checkpoint is saved. Required with `self_critical`."""
    batch_tokens: Count = 4096
    """Maximum size of a batch: the number of targets times the length of the longest, or of the longest source if
    sources are text and longer. Does not apply to sampled targets, whose lengths are not known in advance."""
    batch_sentences: Count | None = None
    """Maximum number of targets in a batch, in addition to `batch_tokens`; with `self_critical`, the number of sources
    in a batch."""
    batch_by: SetName | None = None
    """With `model.encoders`: the name of one whose value, such as an image, several targets share. Those that share it
    are in one batch, which encodes it once, instead of those of like lengths."""
    label_smoothing: Rate = 0.0
    """Share of the probability mass spread evenly over the vocabulary in the loss."""
    output_rate_factor: RateFactor | None = None
    """Multiplier on the learning rate of the output layer, tied embeddings included. By default 3, since at a single
    rate the output layer is what learns last; but 1 if its weights are tied embeddings, which would soon be too large
    where they are read."""
    validation: WritingValidation
    """Settings of the validation."""


class WritingConfig(Section):
    """Text for sources of any kind."""

    task: str
    """The task."""
    data: Any
    """The examples."""
    tokenizer: Tokenizer = Tokenizer()
    """The tokenizer."""
    model: WritingModel
    """The network."""
    training: WritingTraining
    """Settings of the training."""
    search: Annotated[Search, MAY_CHANGE] = Search()
    """Settings of the search."""
    evaluation: Annotated[Evaluation, MAY_CHANGE] = Evaluation()
    """Settings of `eval`."""

    example: ClassVar[str] = "pair"
    """The name of one source with one target."""
    metrics: ClassVar[tuple[str, ...]] = ("bleu", "chrf", "ter")
    """Metrics that `eval` can compute, BLEU first; by default all that take only seconds."""
    measured: ClassVar[tuple[str, ...]] = ("bleu",)
    """Metrics that every validation computes."""

    @property
    def copies(self) -> bool:
        """Whether the decoder copies words of the source."""
        return isinstance(self.model.decoder, (RecurrentDecoder, LSTMNDecoder)) and self.model.decoder.copying

    @property
    def writes_text_for_text(self) -> bool:
        """Whether sources are text, and targets text and not labels."""
        return self.model.source.is_text and self.tokenizer.target is None

    @property
    def longest_target(self) -> int:
        """The most tokens that are written for a source, the end symbol included."""
        return self.search.max_length if self.tokenizer.target is None else 1

    @property
    def without_shortlist(self) -> str:
        """Why there is no shortlist unless text is written for text, in words."""
        what = self.model.source.reading if self.tokenizer.target is None else "targets are labels (tokenizer.target)"
        return f"lists translations of the tokens of a text, but {what}"

    def warnings(self) -> Iterator[str]:
        """Yield what is valid but probably a mistake, as `key: what and why`."""
        yield from warnings_of_data(self.data)
        yield from warnings_of_schedule(self.training)

    def conflicts(self) -> Iterator[str]:
        """Yield each broken rule between sections as `key: what is wrong`."""
        model, encoder = self.model, self.model.source
        yield from encoder.conflicts(self)
        yield from self.data.conflicts(self)
        yield from decoder_conflicts(
            model.attention,
            model.decoder,
            embedding_size=model.embedding_size,
            memory_size=encoder.width,
            memory_key=encoder.key_of_width,
            longest_target=self.longest_target,
        )
        if isinstance(model.attention, Attention) and encoder.axes > 1:
            yield from conflicts_with_a_grid(model.attention)
        if model.tied_embeddings == "all" and not self.tokenizer.is_shared:
            yield (
                "model.tied_embeddings: 'all' needs a shared vocabulary, but tokenizer.shared is false; "
                "choose 'target' or share the vocabulary"
                if self.tokenizer.target is None
                else "model.tied_embeddings: 'all' needs a shared vocabulary, but labels (tokenizer.target) have their "
                "own; choose 'none'"
            )
        if (name := self.training.batch_by) is not None:
            if not isinstance(encoder, JointEncoder):
                yield "training.batch_by: belongs to model.encoders, but there is one encoder; remove it"
            elif name not in encoder.parts:
                yield f"training.batch_by: {unknown('encoder', name, encoder.parts)}"
        if self.evaluation.duration_bins != Evaluation().duration_bins and encoder.length_unit != "seconds":
            what = "the length is that of the text" if encoder.length_unit else encoder.reading
            yield f"evaluation.duration_bins: are for recordings and films, but {what}; remove them"
        if self.search.shortlist and not self.writes_text_for_text:
            yield f"search.shortlist: {self.without_shortlist}; remove it"
        yield from self._label_conflicts()
        yield from ctc_conflicts(self)
        if self.copies:
            yield from self._copying_conflicts()
        if isinstance(self.training.objective, SelfCritical):
            yield from self._self_critical_conflicts()

    def _label_conflicts(self) -> Iterator[str]:
        """Yield what does not go with targets that are labels, or with a decoder that writes only those."""
        classifies = isinstance(self.model.decoder, ClassifierDecoder)
        if classifies and self.tokenizer.target is None:
            yield (
                "model.decoder.kind: 'classifier' writes one label, but targets are text; set tokenizer.target: "
                "{kind: label}, or choose another decoder"
            )
        if classifies and self.model.tied_embeddings == "target":
            yield (
                "model.tied_embeddings: 'target' shares the embeddings of targets, which a decoder of kind "
                "'classifier' does not read; choose 'none'"
            )
        if self.tokenizer.target is not None and self.copies:
            yield "model.decoder.copying: copies words of the source, but labels are a closed set; remove it"
        if self.tokenizer.target is not None and isinstance(self.training.objective, SelfCritical):
            yield (
                "training.objective.kind: 'self_critical' rewards text, but targets are labels (tokenizer.target); "
                "choose cross_entropy"
            )

    def _copying_conflicts(self) -> Iterator[str]:
        """Yield what does not go with a decoder that copies."""
        if not self.model.source.is_text:
            yield f"model.decoder.copying: copies words of the source, but {self.model.source.reading}; remove it"
        if self.training.label_smoothing:
            yield (
                "training.label_smoothing: smooths over the vocabulary, which model.decoder.copying extends for every "
                "source; set it to 0"
            )
        if isinstance(self.training.objective, SelfCritical):
            yield (
                "model.decoder.copying: what is copied has no text in training.objective.kind 'self_critical'; "
                "remove it"
            )

    def _self_critical_conflicts(self) -> Iterator[str]:
        """Yield what changes the probability of a sampled target after sampling, or has no effect."""
        model, training = self.model, self.training
        if training.start_from is None:
            yield (
                "training.start_from: is required with training.objective.kind 'self_critical'; name a run that was "
                "trained with cross_entropy"
            )
        if any(model.dropout.model_dump().values()):
            yield (
                "model.dropout: would score a sampled target with another network than the one that sampled it; set it "
                "to 0 for training.objective.kind 'self_critical'"
            )
        if isinstance(model.attention, Attention) and model.attention.selection == "hard":
            yield (
                "model.attention.selection: 'hard' samples positions, and would score a sampled target with others "
                "than those it was sampled with; choose 'soft' for training.objective.kind 'self_critical'"
            )
        if isinstance(model.decoder, (RecurrentDecoder, LSTMNDecoder)) and model.decoder.doubly_stochastic:
            yield (
                "model.decoder.doubly_stochastic: is a term beside cross-entropy; set it to 0 for "
                "training.objective.kind 'self_critical'"
            )
        if isinstance(model.attention, Attention) and model.attention.coverage_weight:
            yield (
                "model.attention.coverage_loss: is a term beside cross-entropy; set it to 0 for "
                "training.objective.kind 'self_critical'"
            )
        if training.label_smoothing:
            yield (
                "training.label_smoothing: smooths cross-entropy; set it to 0 for training.objective.kind "
                "'self_critical'"
            )
        if training.batch_by is not None:
            yield (
                "training.batch_by: puts targets into batches, which training.objective.kind 'self_critical' makes of "
                "sources; remove it"
            )
        if training.batch_sentences is None:
            yield (
                "training.batch_sentences: is required with training.objective.kind 'self_critical', where it is the "
                "number of sources in a batch"
            )

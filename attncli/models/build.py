"""Builds models from their configuration."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from attncli.config.attention import FILTER_WIDTH, FILTERS, INITIAL_ALIGNMENT
from attncli.config.attention import Attention as AttentionConfig
from attncli.config.decoders import ClassifierDecoder as ClassifierDecoderConfig
from attncli.config.decoders import Decoder as DecoderConfig
from attncli.config.decoders import LSTMNDecoder as LSTMNDecoderConfig
from attncli.config.decoders import RecurrentDecoder as RecurrentDecoderConfig
from attncli.config.decoders import TransformerDecoder as TransformerDecoderConfig
from attncli.config.networks import LSTMN, ConvolutionalLayers, Recurrent, RecurrentReading, TransformerLayers
from attncli.config.sources.images import ImageEncoder
from attncli.config.sources.text import TextEncoder
from attncli.config.sources.video import Frames
from attncli.config.writing import WritingModel
from attncli.models.attention import Attention
from attncli.models.bridges import VECTORS, Bridge, CopyBridge, MLPBridge, ZeroBridge
from attncli.models.copying import Copying
from attncli.models.decoders.classifier import ClassifierDecoder, Hop
from attncli.models.decoders.decoder import Decoder
from attncli.models.decoders.recurrent import (
    AttentionalDecoder,
    CurrentStateDecoder,
    FixedContextDecoder,
    InputFeedingDecoder,
    PreviousStateDecoder,
    RecurrentDecoder,
    RecurrentParts,
)
from attncli.models.decoders.transformer import TransformerDecoder
from attncli.models.gates import ContextGate
from attncli.models.history import HistoryScore
from attncli.models.lstmn import LSTMNLayers
from attncli.models.positions import (
    GridPositions,
    LearnedGridPositions,
    LearnedPositions,
    Placing,
    Positions,
    SinusoidalGridPositions,
    SinusoidalPositions,
)
from attncli.models.readouts import (
    ACTIVATIONS,
    Activation,
    AttentionalReadout,
    DeepReadout,
    MaxoutReadout,
    OutputLayer,
    Readout,
    StateReadout,
    SumReadout,
)
from attncli.models.recurrence import CELLS, Layers, RecurrentLayers
from attncli.models.scores import build_score
from attncli.models.selections import build_selection
from attncli.models.transformer import LayerSizes
from attncli.models.windows import build_window

TokenReader = TextEncoder | RecurrentDecoderConfig | LSTMNDecoderConfig | TransformerDecoderConfig


@dataclass(frozen=True)
class Needs:
    """What a decoder reads of a memory; an encoder need not compute the rest."""

    states: bool
    summary: bool


def needs_of(model: WritingModel) -> Needs:
    """Return what the decoder of `model` reads, and CTC if it has it; their mean counts as the states."""
    attends, decoder = model.attention != "none", model.decoder
    by_states = attends or model.ctc is not None
    if isinstance(decoder, TransformerDecoderConfig):
        return Needs(states=True, summary=False)
    if isinstance(decoder, ClassifierDecoderConfig):
        return Needs(states=by_states, summary=True)
    return Needs(
        states=by_states or decoder.bridge in ("mean", "mean_mlp"),
        summary=not attends or decoder.bridge in ("final", "copy") or decoder.context == "every_step",
    )


def build_decoder(
    config: DecoderConfig,
    embedding: nn.Embedding,
    model: WritingModel,
    *,
    memory_size: int,
    memory_axes: int = 1,
) -> Decoder:
    """Return the decoder that `config` describes, over memories of width `memory_size`.

    Its positions lie on one axis, as those of words do, or on those of a grid.
    """
    if isinstance(config, TransformerDecoderConfig):
        return TransformerDecoder(
            embedding,
            build_placing(config, embedding, key="model.decoder.maximum_length", dropout=model.dropout.inputs),
            layer_sizes(config, model),
            OutputLayer(config.hidden_size, embedding, tied=model.tied_embeddings != "none"),
            layers=config.layers,
            memory_size=memory_size,
            output_dropout=model.dropout.outputs,
        )
    if isinstance(config, ClassifierDecoderConfig):
        return build_classifier(config, embedding, model, memory_size=memory_size, memory_axes=memory_axes)
    return build_recurrent_decoder(config, embedding, model, memory_size=memory_size, memory_axes=memory_axes)


def build_classifier(
    config: ClassifierDecoderConfig,
    embedding: nn.Embedding,
    model: WritingModel,
    *,
    memory_size: int,
    memory_axes: int,
) -> ClassifierDecoder:
    """Return the classifier that `config` describes; there are as many labels as entries of `embedding`."""
    size = config.hidden_size
    hops = []
    if model.attention != "none":
        for number in range(config.hops):
            attention = build_attention(
                _with_draws_of_its_own(model.attention, number),
                query_size=size,
                memory_size=memory_size,
                memory_axes=memory_axes,
            )
            hops.append(Hop(attention, _hop_readout(config, memory_size)))
    return ClassifierDecoder(
        hops,
        OutputLayer(size, embedding, tied=False),
        memory_size=memory_size,
        question_size=size,
        output_dropout=model.dropout.outputs,
    )


def _hop_readout(config: ClassifierDecoderConfig, memory_size: int) -> Readout:
    if config.readout == "sum":
        return SumReadout(config.hidden_size)
    return AttentionalReadout(config.hidden_size, memory_size, activation=ACTIVATIONS["tanh"])


def _with_draws_of_its_own(config: AttentionConfig, number: int) -> AttentionConfig:
    """Return `config` for hop `number`: two hops that drew with the same numbers would tend to the same places."""
    if config.inference != "sample":
        return config
    first = 1 if config.sampling_seed is None else config.sampling_seed
    return config.model_copy(update={"sampling_seed": first + number})


def layer_sizes(config: TransformerLayers, model: WritingModel) -> LayerSizes:
    """Return what the layers of a Transformer that `config` describes have in common."""
    return LayerSizes(
        size=config.hidden_size,
        heads=config.heads,
        feed_forward_size=config.feed_forward_size,
        activation=config.activation,
        norm=config.norm,
        dropout=model.dropout.layers,
    )


def build_placing(config: TokenReader, embedding: nn.Embedding, *, key: str, dropout: float) -> Placing:
    """Return how tokens of `embedding` enter the network of `config`; `key` limits learned positions."""
    size = embedding.embedding_dim
    factor = size**0.5 if config.embedding_scale == "root" else 1.0
    return Placing(factor=factor, positions=build_positions(config, size, key=key), dropout=dropout)


def build_positions(
    config: TokenReader | RecurrentReading | TransformerLayers | ConvolutionalLayers, size: int, *, key: str
) -> Positions | None:
    """Return the positions of width `size` that `config` names; `key` limits learned ones."""
    if isinstance(config, (RecurrentDecoderConfig, LSTMNDecoderConfig)) or config.positions == "none":
        return None
    if config.maximum_length is None:
        return SinusoidalPositions()
    return LearnedPositions(config.maximum_length, size, key=key)


def build_grid_positions(config: ImageEncoder | Frames, size: int) -> GridPositions | None:
    """Return the positions that `config` names for regions of width `size`, on as many axes as its sources have."""
    if config.positions == "none":
        return None
    if config.maximum_length is None:
        return SinusoidalGridPositions(size, axes=config.axes)
    return LearnedGridPositions(config.maximum_length, size, axes=config.axes, noun=config.noun)


def build_recurrent_decoder(
    config: RecurrentDecoderConfig | LSTMNDecoderConfig,
    embedding: nn.Embedding,
    model: WritingModel,
    *,
    memory_size: int,
    memory_axes: int,
) -> RecurrentDecoder:
    """Return the decoder that `config` describes, with `model`'s attention, over memories of width `memory_size`."""
    attends = model.attention != "none"
    summary_enters = config.context == "every_step"
    readout = build_readout(
        config.readout_name(attends=attends),
        hidden_size=config.hidden_size,
        embedding_size=embedding.embedding_dim,
        context_size=memory_size if attends or summary_enters else 0,
        activation=ACTIVATIONS[config.readout_activation_name(attends=attends)],
    )
    fed_size = readout.size if config.input_feeding else 0
    if attends and config.query == "previous_state":
        fed_size = memory_size
    layers = build_layers(
        config,
        input_size=embedding.embedding_dim + (memory_size if summary_enters else 0) + fed_size,
        hidden_size=config.hidden_size,
        layers=config.layers,
        dropout=model.dropout.layers,
    )
    parts = RecurrentParts(
        embedding=embedding,
        layers=layers,
        bridge=build_bridge(config, layers, memory_size=memory_size),
        readout=readout,
        output=OutputLayer(readout.size, embedding, tied=model.tied_embeddings != "none"),
        summary_enters=summary_enters,
        fed_size=fed_size,
        place=build_placing(config, embedding, key="", dropout=model.dropout.inputs),
        output_dropout=model.dropout.outputs,
        copying=Copying(memory_size, config.hidden_size, embedding.embedding_dim) if config.copying else None,
    )
    if model.attention == "none":
        return FixedContextDecoder(parts)
    attention = build_attention(
        model.attention,
        query_size=config.hidden_size,
        memory_size=memory_size,
        memory_axes=memory_axes,
        gate=ContextGate(config.hidden_size) if config.gate else None,
    )
    kind: type[AttentionalDecoder] = InputFeedingDecoder if config.input_feeding else CurrentStateDecoder
    if config.query == "previous_state":
        kind = PreviousStateDecoder
    return kind(
        parts, attention, doubly_stochastic=config.doubly_stochastic, coverage_loss=model.attention.coverage_weight
    )


def build_attention(
    config: AttentionConfig,
    *,
    query_size: int,
    memory_size: int,
    memory_axes: int = 1,
    gate: ContextGate | None = None,
) -> Attention:
    """Return the attention that `config` describes, for queries and memories of these widths."""
    build = build_history_score if config.looks_back else build_score
    return Attention(
        build(config, query_size=query_size, memory_size=memory_size),
        build_window(config, query_size=query_size, axes=memory_axes),
        build_selection(config),
        gate,
        normalisation=config.normalisation,
        temperature=config.temperature,
    )


def build_history_score(config: AttentionConfig, *, query_size: int, memory_size: int) -> HistoryScore:
    """Return the score that looks back as `config` says, for queries and memories of these widths."""
    return HistoryScore(
        query_size,
        memory_size,
        config.size or query_size,
        coverage=config.coverage,
        filters=(config.filters or FILTERS) if config.location_aware else 0,
        filter_width=config.filter_width or FILTER_WIDTH,
        initial_alignment=config.initial_alignment or INITIAL_ALIGNMENT,
    )


def build_layers(
    config: Recurrent | LSTMN, *, input_size: int, hidden_size: int, layers: int, dropout: float
) -> Layers:
    """Return layers of the kind that `config` names."""
    sizes = {"input_size": input_size, "hidden_size": hidden_size, "layers": layers}
    if config.kind == "lstmn":
        return LSTMNLayers(**sizes, dropout=dropout)
    return RecurrentLayers(CELLS[config.cell], **sizes, dropout=dropout)


def build_readout(
    name: str, *, hidden_size: int, embedding_size: int, context_size: int, activation: Activation
) -> Readout:
    """Return the readout called `name`; `context_size` is 0 where there is no context."""
    if name == "state":
        return StateReadout(hidden_size)
    if name == "attentional":
        return AttentionalReadout(hidden_size, context_size, activation=activation)
    if name == "deep":
        return DeepReadout(hidden_size, embedding_size, context_size, activation=activation)
    return MaxoutReadout(hidden_size, embedding_size, context_size)


def build_bridge(config: RecurrentDecoderConfig | LSTMNDecoderConfig, layers: Layers, *, memory_size: int) -> nn.Module:
    """Return the bridge that computes the first state of `layers`."""
    count, tensors = len(layers.layers), layers.state_tensors
    if config.bridge == "zero":
        return ZeroBridge(hidden_size=layers.hidden_size, layers=count, state_tensors=tensors)
    if config.bridge == "copy":
        return CopyBridge(layers=count, state_tensors=tensors)
    if config.bridge == "mean_mlp":
        return MLPBridge(memory_size=memory_size, hidden_size=layers.hidden_size, layers=count, state_tensors=tensors)
    return Bridge(
        VECTORS[config.bridge],
        memory_size=memory_size,
        hidden_size=layers.hidden_size,
        layers=count,
        state_tensors=tensors,
    )

"""Builds models from their configuration."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from attncli.config import model as configs
from attncli.config.model import TranslationModel
from attncli.config.sources.images import CNN as CNNConfig  # noqa: N811 - the class's own name
from attncli.config.sources.images import EfficientNetLite0 as EfficientNetLite0Config
from attncli.config.sources.images import Timm as TimmConfig
from attncli.config.tasks.captioning import CaptioningModel
from attncli.models.attention import Attention
from attncli.models.bridges import VECTORS, Bridge, CopyBridge, MLPBridge, ZeroBridge
from attncli.models.decoders.decoder import Decoder
from attncli.models.decoders.recurrent import (
    CurrentStateDecoder,
    FixedContextDecoder,
    InputFeedingDecoder,
    PreviousStateDecoder,
    RecurrentDecoder,
    RecurrentParts,
)
from attncli.models.decoders.transformer import TransformerDecoder
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.encoders.encoder import Encoder
from attncli.models.encoders.recurrent import RecurrentEncoder
from attncli.models.encoders.transformer import TransformerEncoder
from attncli.models.gates import ContextGate
from attncli.models.initial_weights import INITIAL_WEIGHTS
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
)
from attncli.models.recurrence import CELLS, Layers, RecurrentLayers
from attncli.models.scores import build_score
from attncli.models.selections import build_selection
from attncli.models.transformer import LayerSizes
from attncli.models.windows import build_window
from attncli.sources.images.cnn import CNN
from attncli.sources.images.efficientnet_lite0 import EfficientNetLite0
from attncli.sources.images.encoder import Backbone, PictureEncoder
from attncli.sources.images.timm import TimmBackbone
from attncli.text.tokenizer import PAD

Recurrence = configs.RecurrentEncoder | configs.LSTMNEncoder | configs.RecurrentDecoder | configs.LSTMNDecoder


def build_translation_model(
    config: TranslationModel, *, source_vocabulary: int, target_vocabulary: int
) -> EncoderDecoder:
    """Return the encoder-decoder that `config` describes, with fresh weights from torch's random state."""
    source_embedding = nn.Embedding(source_vocabulary, config.embedding_size, padding_idx=PAD)
    target_embedding = source_embedding
    if config.tied_embeddings != "all":
        target_embedding = nn.Embedding(target_vocabulary, config.embedding_size, padding_idx=PAD)
    encoder = build_encoder(config.encoder, source_embedding, config)
    decoder = build_decoder(config.decoder, target_embedding, config, memory_size=encoder.memory_size)
    model = EncoderDecoder(encoder, decoder)
    INITIAL_WEIGHTS[config.initial_weights](model)
    return model


def build_captioning_model(config: CaptioningModel, *, vocabulary: int, pretrained: bool) -> EncoderDecoder:
    """Return the captioner that `config` describes, with fresh weights from torch's random state.

    `pretrained` fetches the weights of an encoder that has some from elsewhere; a trained run brings its own.
    """
    summarises = reads_summary(config)
    backbone = build_backbone(config.encoder, pools=summarises)
    encoder = PictureEncoder(
        backbone,
        memory_size=config.encoder.memory_size,
        summarises=summarises,
        dropout=config.dropout.layers,
        regions_are_read=reads_regions(config),
        normalises=config.encoder.normalises,
        positions=build_grid_positions(config.encoder, config.encoder.memory_size or backbone.map_size),
    )
    embedding = nn.Embedding(vocabulary, config.embedding_size, padding_idx=PAD)
    decoder = build_decoder(config.decoder, embedding, config, memory_size=encoder.memory_size, memory_axes=2)
    model = EncoderDecoder(encoder, decoder)
    INITIAL_WEIGHTS[config.initial_weights](model)
    if pretrained and isinstance(backbone, EfficientNetLite0) and isinstance(config.encoder, EfficientNetLite0Config):
        backbone.load(None if config.encoder.weights is None else Path(config.encoder.weights))
    elif pretrained and isinstance(config.encoder, TimmConfig):
        # After the fresh weights, which knows nothing of them.
        fresh = build_backbone(config.encoder, pools=summarises, pretrained=True)
        backbone.load_state_dict(fresh.state_dict())
    return model


def reads_regions(config: CaptioningModel) -> bool:
    """Return whether the decoder that `config` describes reads the regions of a picture, be it their mean alone."""
    if isinstance(config.decoder, configs.TransformerDecoder):
        return True
    return config.attention != "none" or config.decoder.bridge in ("mean", "mean_mlp")


def reads_summary(config: CaptioningModel) -> bool:
    """Return whether the decoder that `config` describes reads more of a picture than its regions."""
    if isinstance(config.decoder, configs.TransformerDecoder):
        return False
    return config.attention == "none" or config.decoder.bridge == "final" or config.decoder.context == "every_step"


def build_backbone(
    config: CNNConfig | EfficientNetLite0Config | TimmConfig, *, pools: bool, pretrained: bool = False
) -> Backbone:
    """Return the network over pictures that `config` describes; of timm's with weights from elsewhere if asked."""
    if isinstance(config, CNNConfig):
        return CNN(config.widths, blocks=config.blocks)
    if isinstance(config, TimmConfig):
        return TimmBackbone(
            config.name,
            layer=config.layer,
            weights=config.weights,
            pretrained=pretrained,
            fine_tune_from=config.fine_tune_from,
            rate_factor=config.learning_rate_factor,
        )
    return EfficientNetLite0(
        layer=config.layer,
        fine_tune_from=config.fine_tune_from,
        rate_factor=config.learning_rate_factor,
        pools=pools,
    )


def build_encoder(config: configs.Encoder, embedding: nn.Embedding, model: TranslationModel) -> Encoder:
    """Return the encoder that `config` describes over `embedding`."""
    if isinstance(config, configs.TransformerEncoder):
        return TransformerEncoder(
            embedding,
            build_placing(config, embedding, key="model.encoder.maximum_length", dropout=model.dropout.inputs),
            layer_sizes(config, model),
            layers=config.layers,
        )
    return RecurrentEncoder(
        embedding,
        build_placing(config, embedding, key="model.encoder.maximum_length", dropout=model.dropout.inputs),
        lambda input_size, hidden_size: build_layers(
            config, input_size=input_size, hidden_size=hidden_size, layers=1, dropout=0.0
        ),
        hidden_size=config.hidden_size,
        layers=config.layers,
        bidirectional=config.bidirectional,
        reverses_source=config.reverse_source,
        layer_dropout=model.dropout.layers,
    )


def build_decoder(
    config: configs.Decoder,
    embedding: nn.Embedding,
    model: TranslationModel | CaptioningModel,
    *,
    memory_size: int,
    memory_axes: int = 1,
) -> Decoder:
    """Return the decoder that `config` describes, over memories of width `memory_size`.

    The positions of a memory are on one axis, as words are, or on the two of a grid.
    """
    if isinstance(config, configs.TransformerDecoder):
        return TransformerDecoder(
            embedding,
            build_placing(config, embedding, key="model.decoder.maximum_length", dropout=model.dropout.inputs),
            layer_sizes(config, model),
            OutputLayer(config.hidden_size, embedding, tied=model.tied_embeddings != "none"),
            layers=config.layers,
            memory_size=memory_size,
            output_dropout=model.dropout.outputs,
        )
    return build_recurrent_decoder(config, embedding, model, memory_size=memory_size, memory_axes=memory_axes)


def layer_sizes(
    config: configs.TransformerEncoder | configs.TransformerDecoder, model: TranslationModel | CaptioningModel
) -> LayerSizes:
    """Return what the layers of a Transformer's stack have in common."""
    return LayerSizes(
        size=config.hidden_size,
        heads=config.heads,
        feed_forward_size=config.feed_forward_size,
        activation=config.activation,
        norm=config.norm,
        dropout=model.dropout.layers,
    )


def build_placing(config: configs.TokenReader, embedding: nn.Embedding, *, key: str, dropout: float) -> Placing:
    """Return how the tokens of `embedding` enter what `config` describes; `key` is what limits learned positions."""
    size = embedding.embedding_dim
    factor = size**0.5 if config.embedding_scale == "root" else 1.0
    return Placing(factor=factor, positions=build_positions(config, size, key=key), dropout=dropout)


def build_positions(config: configs.TokenReader, size: int, *, key: str) -> Positions | None:
    """Return the positions of width `size` that `config` names; `key` is what limits learned ones."""
    if isinstance(config, (configs.RecurrentDecoder, configs.LSTMNDecoder)) or config.positions == "none":
        return None
    if config.maximum_length is None:
        return SinusoidalPositions()
    return LearnedPositions(config.maximum_length, size, key=key)


def build_grid_positions(config: CNNConfig | EfficientNetLite0Config | TimmConfig, size: int) -> GridPositions | None:
    """Return the positions of regions of width `size` that `config` names."""
    if config.positions == "none":
        return None
    if config.maximum_length is None:
        return SinusoidalGridPositions(size)
    return LearnedGridPositions(config.maximum_length, size)


def build_recurrent_decoder(
    config: configs.RecurrentDecoder | configs.LSTMNDecoder,
    embedding: nn.Embedding,
    model: TranslationModel | CaptioningModel,
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
    further = {"doubly_stochastic": config.doubly_stochastic}
    if config.query == "previous_state":
        return PreviousStateDecoder(parts, attention, **further)
    return (InputFeedingDecoder if config.input_feeding else CurrentStateDecoder)(parts, attention, **further)


def build_attention(
    config: configs.Attention,
    *,
    query_size: int,
    memory_size: int,
    memory_axes: int = 1,
    gate: ContextGate | None = None,
) -> Attention:
    """Return the attention that `config` describes, for queries and memories of these widths, with `gate` behind."""
    return Attention(
        build_score(config, query_size=query_size, memory_size=memory_size),
        build_window(config, query_size=query_size, axes=memory_axes),
        build_selection(config),
        gate,
    )


def build_layers(config: Recurrence, *, input_size: int, hidden_size: int, layers: int, dropout: float) -> Layers:
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


def build_bridge(
    config: configs.RecurrentDecoder | configs.LSTMNDecoder, layers: Layers, *, memory_size: int
) -> nn.Module:
    """Return what computes the first state of `layers`."""
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

"""Builds models from their configuration."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from attncli.config.captioning import CaptioningModel
from attncli.config.model import RecurrentDecoder as RecurrentDecoderConfig
from attncli.config.model import RecurrentEncoder as RecurrentEncoderConfig
from attncli.config.model import TranslationModel
from attncli.config.picture_encoders import CNN as CNNConfig  # noqa: N811 - the class's own name
from attncli.config.picture_encoders import EfficientNetLite0 as EfficientNetLite0Config
from attncli.config.picture_encoders import Timm as TimmConfig
from attncli.models.attention import Attention
from attncli.models.bridges import VECTORS, Bridge, MLPBridge, ZeroBridge
from attncli.models.decoders.recurrent import (
    CurrentStateDecoder,
    FixedContextDecoder,
    InputFeedingDecoder,
    PreviousStateDecoder,
    RecurrentDecoder,
    RecurrentParts,
)
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.encoders.cnn import CNN
from attncli.models.encoders.efficientnet_lite0 import EfficientNetLite0
from attncli.models.encoders.pictures import Backbone, PictureEncoder
from attncli.models.encoders.recurrent import RecurrentEncoder
from attncli.models.encoders.timm import TimmBackbone
from attncli.models.gates import ContextGate
from attncli.models.readouts import AttentionalReadout, DeepReadout, MaxoutReadout, OutputLayer, Readout, StateReadout
from attncli.models.recurrence import CELLS, RecurrentLayers, initialise_recurrent
from attncli.models.scores import build_score
from attncli.text.tokenizer import PAD


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
    model = EncoderDecoder(encoder, decoder, doubly_stochastic=config.decoder.doubly_stochastic)
    initialise(model)
    return model


def build_captioning_model(config: CaptioningModel, *, vocabulary: int, pretrained: bool) -> EncoderDecoder:
    """Return the captioner that `config` describes, with fresh weights from torch's random state.

    `pretrained` fetches the weights of an encoder that has some from elsewhere; a trained run brings its own.
    """
    attends = config.attention != "none"
    summarises = not attends or config.decoder.bridge == "final"
    backbone = build_backbone(config.encoder, pools=summarises)
    encoder = PictureEncoder(
        backbone, memory_size=config.encoder.memory_size, summarises=summarises, dropout=config.dropout.layers
    )
    embedding = nn.Embedding(vocabulary, config.embedding_size, padding_idx=PAD)
    decoder = build_decoder(config.decoder, embedding, config, memory_size=encoder.memory_size)
    model = EncoderDecoder(encoder, decoder, doubly_stochastic=config.decoder.doubly_stochastic)
    initialise(model)
    if pretrained and isinstance(backbone, EfficientNetLite0) and isinstance(config.encoder, EfficientNetLite0Config):
        backbone.load(None if config.encoder.weights is None else Path(config.encoder.weights))
    elif pretrained and isinstance(config.encoder, TimmConfig):
        # After `initialise`, which knows nothing of them.
        fresh = build_backbone(config.encoder, pools=summarises, pretrained=True)
        backbone.load_state_dict(fresh.state_dict())
    return model


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


def build_encoder(config: RecurrentEncoderConfig, embedding: nn.Embedding, model: TranslationModel) -> RecurrentEncoder:
    """Return the encoder that `config` describes over `embedding`."""
    return RecurrentEncoder(
        embedding,
        CELLS[config.cell],
        hidden_size=config.hidden_size,
        layers=config.layers,
        bidirectional=config.bidirectional,
        reverses_source=config.reverse_source,
        input_dropout=model.dropout.inputs,
        layer_dropout=model.dropout.layers,
    )


def build_decoder(
    config: RecurrentDecoderConfig,
    embedding: nn.Embedding,
    model: TranslationModel | CaptioningModel,
    *,
    memory_size: int,
) -> RecurrentDecoder:
    """Return the decoder that `config` describes, with `model`'s attention, over memories of width `memory_size`."""
    attends = model.attention != "none"
    enters_input = config.query == "previous_state" if attends else config.context == "every_step"
    reads_context = attends or config.context == "every_step"
    readout = build_readout(
        config.readout or default_readout(config, attends=attends),
        hidden_size=config.hidden_size,
        embedding_size=embedding.embedding_dim,
        context_size=memory_size if reads_context else 0,
    )
    fed_size = memory_size if enters_input else readout.size if config.input_feeding else 0
    layers = RecurrentLayers(
        CELLS[config.cell],
        input_size=embedding.embedding_dim + fed_size,
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
        input_dropout=model.dropout.inputs,
        output_dropout=model.dropout.outputs,
    )
    if model.attention == "none":
        return FixedContextDecoder(parts, every_step=config.context == "every_step")
    score = build_score(model.attention, query_size=config.hidden_size, memory_size=memory_size)
    attention = Attention(score, ContextGate(config.hidden_size) if config.gate else None)
    if config.query == "previous_state":
        return PreviousStateDecoder(parts, attention)
    return (InputFeedingDecoder if config.input_feeding else CurrentStateDecoder)(parts, attention)


def default_readout(config: RecurrentDecoderConfig, *, attends: bool) -> str:
    """Return the readout of the paper that the query comes from."""
    if not attends:
        return "maxout" if config.context == "every_step" else "state"
    return "maxout" if config.query == "previous_state" else "attentional"


def build_readout(name: str, *, hidden_size: int, embedding_size: int, context_size: int) -> Readout:
    """Return the readout called `name`; `context_size` is 0 where there is no context."""
    if name == "state":
        return StateReadout(hidden_size)
    if name == "attentional":
        return AttentionalReadout(hidden_size, context_size)
    if name == "deep":
        return DeepReadout(hidden_size, embedding_size, context_size)
    return MaxoutReadout(hidden_size, embedding_size, context_size)


def build_bridge(config: RecurrentDecoderConfig, layers: RecurrentLayers, *, memory_size: int) -> nn.Module:
    """Return what computes the first state of `layers`."""
    count, tensors = len(layers.layers), layers.cell.state_tensors
    if config.bridge == "zero":
        return ZeroBridge(hidden_size=layers.hidden_size, layers=count, state_tensors=tensors)
    if config.bridge == "mean_mlp":
        return MLPBridge(memory_size=memory_size, hidden_size=layers.hidden_size, layers=count, state_tensors=tensors)
    return Bridge(
        VECTORS[config.bridge],
        memory_size=memory_size,
        hidden_size=layers.hidden_size,
        layers=count,
        state_tensors=tensors,
    )


def initialise(model: nn.Module) -> None:
    """Set fresh weights: Glorot for linear layers, narrow normal embeddings, orthogonal recurrences.

    The output layer is as wide as its input asks for. By Glorot's rule its many outputs would make it so narrow that
    alignments appear late: after 240 updates of `configs/benchmark.yaml` the loss was 4.8 nats a token instead of 4.2.
    """
    for module in model.modules():
        if isinstance(module, nn.RNNBase):
            initialise_recurrent(module)
        elif isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in model.modules():
        if isinstance(module, OutputLayer):
            nn.init.normal_(module.classify.weight, std=module.classify.in_features**-0.5)
    # After the output layer: tied, it keeps the embeddings' values.
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=module.embedding_dim**-0.5)
            nn.init.zeros_(module.weight[PAD].detach())

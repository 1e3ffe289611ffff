"""Builds the networks over sequences of vectors, whatever the vectors are made of."""

from __future__ import annotations

from attncli.config.networks import ConvolutionalLayers, TransformerLayers
from attncli.config.sources.sequences import ConvolutionalNetwork, LSTMNNetwork, RecurrentNetwork, TransformerNetwork
from attncli.config.sources.text import ConvolutionalEncoder as ConvolutionalEncoderConfig
from attncli.config.sources.text import LSTMNEncoder as LSTMNEncoderConfig
from attncli.config.sources.text import RecurrentEncoder as RecurrentEncoderConfig
from attncli.config.sources.text import TransformerEncoder as TransformerEncoderConfig
from attncli.config.writing import WritingModel
from attncli.models.build import build_layers, layer_sizes
from attncli.models.encoders.convolutional import ConvolutionalEncoder
from attncli.models.encoders.embedding import Embedding
from attncli.models.encoders.encoder import Encoder
from attncli.models.encoders.recurrent import RecurrentEncoder
from attncli.models.encoders.transformer import TransformerEncoder
from attncli.models.positions import Placing

AnyNetwork = (
    RecurrentEncoderConfig
    | LSTMNEncoderConfig
    | TransformerEncoderConfig
    | RecurrentNetwork
    | LSTMNNetwork
    | TransformerNetwork
    | ConvolutionalEncoderConfig
    | ConvolutionalNetwork
)


def build_network(
    section: AnyNetwork,
    embedding: Embedding,
    placing: Placing,
    model: WritingModel,
    *,
    reverses_source: bool = False,
) -> Encoder:
    """Return the network of `section` over the vectors of `embedding`, which `placing` prepares for its first layer.

    It gives states and summary at the same cost as either.
    """
    if isinstance(section, TransformerLayers):
        return TransformerEncoder(embedding, placing, layer_sizes(section, model), layers=section.layers)
    if isinstance(section, ConvolutionalLayers):
        return ConvolutionalEncoder(
            embedding,
            placing,
            size=section.hidden_size,
            layers=section.layers,
            kernel_size=section.kernel_size,
            dropout=model.dropout.layers,
        )
    return RecurrentEncoder(
        embedding,
        placing,
        lambda input_size, hidden_size: build_layers(
            section, input_size=input_size, hidden_size=hidden_size, layers=1, dropout=0.0
        ),
        hidden_size=section.hidden_size,
        layers=section.layers,
        bidirectional=section.bidirectional,
        reverses_source=reverses_source,
        layer_dropout=model.dropout.layers,
    )

"""Builds the model of a task that writes."""

from __future__ import annotations

from torch import nn

from attncli.config.writing import WritingConfig
from attncli.models.build import build_decoder, needs_of
from attncli.models.ctc import CTC
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.initial_weights import INITIAL_WEIGHTS
from attncli.sources.kinds import kind_of
from attncli.text.tokenizer import PAD


def build_model(
    config: WritingConfig, *, source_vocabulary: int, target_vocabulary: int, pretrained: bool = False
) -> EncoderDecoder:
    """Return the encoder-decoder that `config` describes, with fresh weights from PyTorch's global generator.

    `pretrained` fetches the weights of a pretrained encoder; a trained run has its own.
    """
    model, section = config.model, config.model.source
    kind = kind_of(section)
    encoder = kind.encoder(section, model, needs_of(model), vocabulary=source_vocabulary)
    if model.tied_embeddings == "all":
        embedding = encoder.embedding
        assert isinstance(embedding, nn.Embedding), "the configuration is checked"
    else:
        embedding = nn.Embedding(target_vocabulary, model.embedding_size, padding_idx=PAD)
    decoder = build_decoder(model.decoder, embedding, model, memory_size=encoder.memory_size, memory_axes=section.axes)
    ctc = None
    if model.ctc is not None:
        ctc = CTC(encoder.memory_size, embedding, weight=model.ctc.weight)
    built = EncoderDecoder(encoder, decoder, ctc)
    INITIAL_WEIGHTS[model.initial_weights](built)
    if pretrained:
        # After the fresh weights, which would overwrite them.
        kind.put_pretrained(section, encoder)
    return built

"""Sentences as sources."""

from __future__ import annotations

from torch import nn

from attncli.config.sources.text import LSTMNEncoder, RecurrentEncoder, TransformerEncoder
from attncli.config.writing import WritingModel
from attncli.models.build import Needs, build_layers, build_placing, layer_sizes
from attncli.models.encoders.encoder import Encoder
from attncli.models.encoders.recurrent import RecurrentEncoder as RecurrentNetwork
from attncli.models.encoders.transformer import TransformerEncoder as TransformerNetwork
from attncli.sources.source import Drawer, Shared, SourceKind
from attncli.sources.text.reader import TextReader
from attncli.text.tokenizer import PAD

Section = RecurrentEncoder | LSTMNEncoder | TransformerEncoder


class Text(SourceKind[Section]):
    """Sentences, read by recurrent networks or Transformers."""

    def reader(self, section: Section, shared: Shared) -> TextReader:
        """Return the reader that turns sentences into token ids."""
        search = shared.decoding
        return TextReader(
            shared.tokenizers.source,
            limit=search.max_source_length,
            cuts=search.too_long == "cut",
            copied_to=shared.tokenizers.target if shared.config.copies else None,
        )

    def encoder(self, section: Section, model: WritingModel, needs: Needs, *, vocabulary: int) -> Encoder:
        """Return the network over embedded tokens, which gives states and summary at the same cost as either."""
        embedding = nn.Embedding(vocabulary, model.embedding_size, padding_idx=PAD)
        placing = build_placing(section, embedding, key="model.encoder.maximum_length", dropout=model.dropout.inputs)
        if isinstance(section, TransformerEncoder):
            return TransformerNetwork(embedding, placing, layer_sizes(section, model), layers=section.layers)
        return RecurrentNetwork(
            embedding,
            placing,
            lambda input_size, hidden_size: build_layers(
                section, input_size=input_size, hidden_size=hidden_size, layers=1, dropout=0.0
            ),
            hidden_size=section.hidden_size,
            layers=section.layers,
            bidirectional=section.bidirectional,
            reverses_source=section.reverse_source,
            layer_dropout=model.dropout.layers,
        )

    def drawer(self, section: Section) -> Drawer:
        """Return the drawer of alignments."""
        # Importing matplotlib takes a second, which only drawing should cost.
        from attncli.sources.text.drawing import TextDrawer

        return TextDrawer()

"""Sentences as sources."""

from __future__ import annotations

from attncli.config.sources.text import ConvolutionalEncoder, LSTMNEncoder, RecurrentEncoder, TransformerEncoder
from attncli.config.writing import WritingModel
from attncli.models.build import Needs, build_placing
from attncli.models.encoders.embedding import TokenEmbedding
from attncli.models.encoders.encoder import Encoder
from attncli.models.encoders.networks import build_network
from attncli.sources.source import Drawer, Locator, Shared, SourceKind
from attncli.sources.text.reader import TextReader
from attncli.text.tokenizer import PAD

Section = RecurrentEncoder | LSTMNEncoder | TransformerEncoder | ConvolutionalEncoder


class Text(SourceKind[Section]):
    """Sentences, read by recurrent networks, Transformers or convolutions."""

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
        embedding = TokenEmbedding(vocabulary, model.embedding_size, padding_idx=PAD)
        placing = build_placing(section, embedding, key="model.encoder.maximum_length", dropout=model.dropout.inputs)
        reverses = isinstance(section, (RecurrentEncoder, LSTMNEncoder)) and section.reverse_source
        return build_network(section, embedding, placing, model, reverses_source=reverses)

    def drawer(self, section: Section) -> Drawer:
        """Return the drawer of alignments."""
        # Importing matplotlib takes a second, which only drawing should cost.
        from attncli.sources.text.drawing import TextDrawer

        return TextDrawer()

    def locator(self, section: Section) -> Locator:
        """Return what finds words."""
        from attncli.sources.text.locator import TextLocator

        return TextLocator()

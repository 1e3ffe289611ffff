"""The whole configuration of a translation run, and the rules between its sections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from attncli.config.conflicts import conflicts_of_width, decoder_conflicts
from attncli.config.data import TranslationData
from attncli.config.evaluation import Evaluation
from attncli.config.model import TransformerEncoder, TranslationModel
from attncli.config.search import Search
from attncli.config.section import Section
from attncli.config.tokenizer import Tokenizer
from attncli.config.training import TranslationTraining


class TranslationConfig(Section):
    """Translation from one language into another."""

    task: Literal["translation"]
    """What is learned."""
    data: TranslationData
    """The sentences."""
    tokenizer: Tokenizer = Tokenizer()
    """How text becomes tokens."""
    model: TranslationModel = TranslationModel()
    """The network."""
    training: TranslationTraining
    """How it is trained."""
    search: Search = Search()
    """How it is decoded."""
    evaluation: Evaluation = Evaluation()
    """What `eval` measures."""

    def conflicts(self) -> Iterator[str]:
        """Yield each rule between sections that is broken, as `key: what is wrong`."""
        model = self.model
        yield from self._conflicts_of_transformer_encoder()
        yield from decoder_conflicts(
            model.attention,
            model.decoder,
            embedding_size=model.embedding_size,
            memory_size=model.encoder.hidden_size,
            memory_key="model.encoder.hidden_size",
            longest_target=self.search.max_length,
        )
        if self.model.tied_embeddings == "all" and not self.tokenizer.shared:
            yield (
                "model.tied_embeddings: 'all' needs one vocabulary for both sides, but tokenizer.shared is false; "
                "choose 'target' or share the vocabulary"
            )

    def _conflicts_of_transformer_encoder(self) -> Iterator[str]:
        if isinstance(self.model.encoder, TransformerEncoder):
            yield from conflicts_of_width("encoder", self.model.encoder, embedding_size=self.model.embedding_size)

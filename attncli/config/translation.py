"""The whole configuration of a translation run, and the rules between its sections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from attncli.config.data import TranslationData
from attncli.config.evaluation import Evaluation
from attncli.config.model import Attention, TranslationModel
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
        if isinstance(self.model.attention, Attention):
            yield from self._conflicts_with_attention(self.model.attention)
        else:
            yield from self._conflicts_without_attention()
        if self.model.tied_embeddings == "all" and not self.tokenizer.shared:
            yield (
                "model.tied_embeddings: 'all' needs one vocabulary for both sides, but tokenizer.shared is false; "
                "choose 'target' or share the vocabulary"
            )

    def _conflicts_with_attention(self, attention: Attention) -> Iterator[str]:
        encoder, decoder = self.model.encoder, self.model.decoder
        if attention.score in ("dot", "scaled_dot") and encoder.hidden_size != decoder.hidden_size:
            yield (
                f"model.attention.score: {attention.score!r} needs query and memory of one width, but "
                f"model.decoder.hidden_size is {decoder.hidden_size} and model.encoder.hidden_size is "
                f"{encoder.hidden_size}; make them equal or choose 'general'"
            )
        if decoder.context != "initial":
            yield (
                "model.decoder.context: 'every_step' belongs to model.attention: none, but an attention is set; "
                "remove one of them"
            )
        if decoder.input_feeding and decoder.query == "previous_state":
            yield (
                "model.decoder.input_feeding: needs model.decoder.query 'current_state', but it is 'previous_state'; "
                "there the context enters every step already"
            )
        if decoder.input_feeding and decoder.readout not in (None, "attentional"):
            yield (
                f"model.decoder.input_feeding: feeds the attentional vector back, but model.decoder.readout is "
                f"{decoder.readout!r}; remove one of them"
            )
        elif decoder.readout == "state" and decoder.query == "current_state":
            yield (
                "model.decoder.readout: 'state' sees no context, so with model.decoder.query 'current_state' nothing "
                "would read the attention; choose 'attentional' or 'maxout', or model.attention: none"
            )

    def _conflicts_without_attention(self) -> Iterator[str]:
        decoder = self.model.decoder
        if decoder.input_feeding:
            yield "model.decoder.input_feeding: there is nothing to feed back with model.attention: none; remove it"
        if decoder.readout == "attentional":
            yield (
                "model.decoder.readout: 'attentional' joins state and attention's context, but model.attention is "
                "none; choose 'state' or 'maxout'"
            )
        if decoder.context == "initial" and decoder.bridge != "final":
            yield (
                f"model.decoder.bridge: with model.attention: none and context 'initial' the encoder's final state is "
                f"all that the decoder sees, but bridge is {decoder.bridge!r}; choose 'final' or context 'every_step'"
            )

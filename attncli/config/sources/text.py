"""Encoders of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Discriminator, Tag

from attncli.config.networks import (
    LSTMN,
    ConvolutionalLayers,
    Recurrent,
    RecurrentReading,
    TokenInput,
    Transformer,
    network_kind,
    width_conflict,
)
from attncli.config.sources.encoder import EncoderSection


class _TextEncoder(EncoderSection):
    noun = "sentence"
    is_text = True

    @property
    def most_positions(self) -> int | None:
        """Number of learned positions."""
        most: int | None = self.maximum_length  # type: ignore[attr-defined]
        return most


class _TokenReading(TokenInput, RecurrentReading, _TextEncoder):
    reverse_source: bool = False
    """Read the source backwards (Sutskever et al. 2014)."""


class RecurrentEncoder(_TokenReading, Recurrent):
    """A recurrent network over the source."""


class LSTMNEncoder(_TokenReading, LSTMN):
    """A long short-term memory-network over the source: an LSTM in which every step attends to all earlier states
    instead of reading only the last (Cheng, Dong and Lapata 2016).
    """


class TransformerEncoder(Transformer, _TextEncoder):
    """Layers of self-attention over the source (Vaswani et al. 2017)."""

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yield the conflict of the width with that of the embeddings."""
        yield from width_conflict("encoder", self, embedding_size=config.model.embedding_size)


class ConvolutionalEncoder(TokenInput, ConvolutionalLayers, _TextEncoder):
    """Gated convolutions over the source (Gehring et al. 2017): a state knows only its neighbourhood."""


TextEncoder = Annotated[
    Annotated[RecurrentEncoder, Tag("recurrent")]
    | Annotated[LSTMNEncoder, Tag("lstmn")]
    | Annotated[TransformerEncoder, Tag("transformer")]
    | Annotated[ConvolutionalEncoder, Tag("convolutional")],
    Discriminator(network_kind),
]

"""Encoders of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Tag, model_validator

from attncli.config.networks import LSTMN, Positions, Recurrent, TokenInput, Transformer, network_kind, width_conflict
from attncli.config.quantities import Layers, Size
from attncli.config.sources.encoder import EncoderSection


class _TextEncoder(EncoderSection):
    noun = "sentence"
    is_text = True

    @property
    def most_positions(self) -> int | None:
        """Number of learned positions."""
        most: int | None = self.maximum_length  # type: ignore[attr-defined]
        return most


class _RecurrentReading(TokenInput, Positions, _TextEncoder):
    hidden_size: Size = 512
    """Width of a state, counting both directions."""
    layers: Layers = 1
    """Number of layers."""
    bidirectional: bool = True
    """Read the source in both directions; each takes half of `hidden_size`."""
    reverse_source: bool = False
    """Read the source backwards (Sutskever et al. 2014)."""
    positions: Literal["none", "sinusoidal", "learned"] = "none"
    """Position encoding added to the embeddings: none, fixed sines and cosines (Vaswani et al. 2017, 3.5), or a learned
    vector for each position."""

    @model_validator(mode="after")
    def _halves_are_whole(self) -> _RecurrentReading:
        if self.bidirectional and self.hidden_size % 2:
            raise ValueError(
                f"hidden_size {self.hidden_size} is odd, but each of two directions takes half of it; make it even"
            )
        return self


class RecurrentEncoder(_RecurrentReading, Recurrent):
    """A recurrent network over the source."""


class LSTMNEncoder(_RecurrentReading, LSTMN):
    """A long short-term memory-network over the source: an LSTM in which every step attends to all earlier states
    instead of reading only the last (Cheng, Dong and Lapata 2016).
    """


class TransformerEncoder(Transformer, _TextEncoder):
    """Layers of self-attention over the source (Vaswani et al. 2017)."""

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yield the conflict of the width with that of the embeddings."""
        yield from width_conflict("encoder", self, embedding_size=config.model.embedding_size)


TextEncoder = Annotated[
    Annotated[RecurrentEncoder, Tag("recurrent")]
    | Annotated[LSTMNEncoder, Tag("lstmn")]
    | Annotated[TransformerEncoder, Tag("transformer")],
    Discriminator(network_kind),
]

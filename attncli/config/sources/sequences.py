"""Networks over the steps of a source that lies in time, such as a recording or a film."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Tag

from attncli.config.networks import (
    LSTMN,
    ConvolutionalLayers,
    Recurrent,
    RecurrentReading,
    TransformerLayers,
    network_kind,
)
from attncli.config.quantities import Size
from attncli.config.sources.encoder import EncoderSection


class RecurrentNetwork(RecurrentReading, Recurrent):
    """A recurrent network over the steps."""

    hidden_size: Size = 256
    """Width of a state, counting both directions."""


class LSTMNNetwork(RecurrentReading, LSTMN):
    """A long short-term memory-network over the steps, in which every step attends to all earlier states (Cheng, Dong
    and Lapata 2016).
    """

    hidden_size: Size = 256
    """Width of a state, counting both directions."""


class TransformerNetwork(TransformerLayers):
    """Layers of self-attention over the steps (Vaswani et al. 2017)."""

    hidden_size: Size = 256
    """Width of a state."""


class ConvolutionalNetwork(ConvolutionalLayers):
    """Gated convolutions over the steps (Gehring et al. 2017): a state knows only its neighbourhood."""

    hidden_size: Size = 256
    """Width of a state."""


SequenceNetwork = Annotated[
    Annotated[RecurrentNetwork, Tag("recurrent")]
    | Annotated[LSTMNNetwork, Tag("lstmn")]
    | Annotated[TransformerNetwork, Tag("transformer")]
    | Annotated[ConvolutionalNetwork, Tag("convolutional")],
    Discriminator(network_kind),
]


class SequenceEncoder(EncoderSection):
    """The base of encoders whose memory is what their `network` makes of the steps."""

    lasts = True

    @property
    def key_of_width(self) -> str:
        """The whole path of the key that sets the width of the memory."""
        return "model.encoder.network.hidden_size"

    @property
    def width(self) -> int:
        """Width of the memory."""
        width: int = self.network.hidden_size  # type: ignore[attr-defined]
        return width

    @property
    def most_positions(self) -> int | None:
        """Number of learned positions in time."""
        most: int | None = self.network.maximum_length  # type: ignore[attr-defined]
        return most

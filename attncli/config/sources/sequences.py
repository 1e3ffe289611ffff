"""Networks over the steps of a source that lies in time, such as a recording or a film."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Tag

from attncli.config.networks import LSTMN, Recurrent, RecurrentReading, TransformerLayers, network_kind
from attncli.config.quantities import Size


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


SequenceNetwork = Annotated[
    Annotated[RecurrentNetwork, Tag("recurrent")]
    | Annotated[LSTMNNetwork, Tag("lstmn")]
    | Annotated[TransformerNetwork, Tag("transformer")],
    Discriminator(network_kind),
]

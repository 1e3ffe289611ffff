"""The decoders."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Tag

from attncli.config.networks import LSTMN, Recurrent, TokenInput, Transformer, network_kind
from attncli.config.quantities import Count, Layers, Size, Weight
from attncli.config.section import Section

ActivationName = Literal["tanh", "none"]


class _RecurrentWriting(TokenInput):
    hidden_size: Size = 512
    """Width of a state."""
    layers: Layers = 1
    """Number of layers; the top one queries the attention."""
    query: Literal["previous_state", "current_state"] = "current_state"
    """The state that queries the attention: before the step's input is read (Bahdanau et al. 2015) or after (Luong et
    al. 2015)."""
    input_feeding: bool = False
    """Feed the attentional vector into the next step (Luong et al. 2015, 3.3); requires `query: current_state`."""
    context: Literal["initial", "every_step"] = "initial"
    """Where the source's summary vector enters: only the decoder's first state, through `bridge` (`initial`; Sutskever
    et al. 2014), or also the input of every step (`every_step`; Cho et al. 2014, and beside an attention Lu et al.
    2017)."""
    bridge: Literal["final", "copy", "mean", "mean_mlp", "zero"] = "final"
    """What initialises the decoder: the encoder's final state through a layer (`final`) or unchanged (`copy`, for equal
    widths; an LSTM's cell then starts at 0), the mean of the memory through one layer (`mean`) or through a two-layer
    network for each part of the state (`mean_mlp`, as Xu et al. 2015), or zeros (`zero`)."""
    gate: bool = False
    """Scale the context by a gate between 0 and 1 computed from the querying state (Xu et al. 2015, 4.2.1)."""
    doubly_stochastic: Weight = 0.0
    """Weight λ of a training term that encourages attending to every source position equally over a whole target (Xu et
    al. 2015, 4.2.1; 1 in their released code)."""
    copying: bool = False
    """Mix the distribution over the vocabulary with one over the words of the source, by the attention's weights, so
    that words that the vocabulary lacks can be written too (pointer-generator; See et al. 2017, equations 8 and 9)."""
    readout: Literal["attentional", "maxout", "deep", "state"] | None = None
    """Input of the output layer: Luong's attentional vector, Bahdanau's maxout layer, Xu's `deep` output layer, or the
    state itself. By default that of the paper the `query` comes from, and the state without attention."""
    readout_activation: ActivationName | None = None
    """Activation of the `attentional` and `deep` readouts. By default `none` for the first, which learns faster
    (equation 5 of Luong et al. has `tanh`), and `tanh` for the second, as in the code released by Xu et al. (their
    equation 7 has `none`)."""

    def readout_name(self, *, attends: bool) -> str:
        """Return the readout, by default that of the paper that the query comes from."""
        if self.readout is not None:
            return self.readout
        if not attends:
            return "maxout" if self.context == "every_step" else "state"
        return "maxout" if self.query == "previous_state" else "attentional"

    def readout_activation_name(self, *, attends: bool) -> str:
        """Return the activation of the readout."""
        if self.readout_activation is not None:
            return self.readout_activation
        return "tanh" if self.readout_name(attends=attends) == "deep" else "none"


class RecurrentDecoder(_RecurrentWriting, Recurrent):
    """A recurrent network that writes the target."""


class LSTMNDecoder(_RecurrentWriting, LSTMN):
    """A long short-term memory-network that writes the target: it attends to its own states as the encoder of this kind
    does, and to the source by `model.attention` (Cheng et al. 2016, figure 3a, "shallow" fusion).
    """


class TransformerDecoder(Transformer):
    """Layers of self-attention over the target so far and of attention to the source (Vaswani et al. 2017).

    It needs `model.attention: {score: scaled_dot}`.
    """


class ClassifierDecoder(Section):
    """One label for each source: a question made of its summary asks the attention, and a layer reads the answer.

    With several hops (Yang et al. 2016) what was read makes the next question. Without attention the question alone is
    read. It needs `tokenizer.target: {kind: label}`.
    """

    kind: Literal["classifier"] = "classifier"
    """The kind of network."""
    hidden_size: Size = 512
    """Width of the question, and of what the output layer reads."""
    hops: Count = 1
    """How often the attention is asked, each time one with weights of its own."""
    readout: Literal["attentional", "sum"] = "attentional"
    """What becomes of question u and context c, for the next hop and at last for the output layer: `attentional`,
    tanh(W [c; u]), or `sum`, c + u (Yang et al. 2016), for which both have one width."""


Decoder = Annotated[
    Annotated[RecurrentDecoder, Tag("recurrent")]
    | Annotated[LSTMNDecoder, Tag("lstmn")]
    | Annotated[TransformerDecoder, Tag("transformer")]
    | Annotated[ClassifierDecoder, Tag("classifier")],
    Discriminator(network_kind),
]

"""The networks that write."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from attncli.config.networks import LSTMN, Recurrent, TokenInput, Transformer, network_kind

ActivationName = Literal["tanh", "none"]


class _RecurrentWriting(TokenInput):
    hidden_size: int = Field(default=512, ge=1)
    """Width of a state."""
    layers: int = Field(default=1, ge=1)
    """Layers, each reading the one below; the top one asks the attention."""
    query: Literal["previous_state", "current_state"] = "current_state"
    """The state that asks: before the step's input is read (Bahdanau et al. 2015) or after (Luong et al. 2015)."""
    input_feeding: bool = False
    """The attentional vector joins the next step's input (Luong et al. 2015, 3.3); only with `query: current_state`."""
    context: Literal["initial", "every_step"] = "initial"
    """Where the vector of the whole source goes: into the decoder's first state by `bridge` (Sutskever et al. 2014),
    or also into the input of every step (Cho et al. 2014; beside an attention Lu et al. 2017)."""
    bridge: Literal["final", "copy", "mean", "mean_mlp", "zero"] = "final"
    """What the first state is computed from: the encoder's final state, by a layer or as it is (`copy`, for equal
    widths; an LSTM's cell then starts as 0), the mean of the memory (`mean_mlp`: by a network of two layers for each
    of its parts, as Xu et al. 2015), or nothing."""
    gate: bool = False
    """Scale the context by a number between 0 and 1 that the asking state decides (Xu et al. 2015, 4.2.1)."""
    doubly_stochastic: float = Field(default=0.0, ge=0)
    """Weight λ of a term in training that asks for every source position to be looked at as much as any other (Xu et
    al. 2015, 4.2.1; 1 in their released code)."""
    readout: Literal["attentional", "maxout", "deep", "state"] | None = None
    """What the output layer reads: Luong's attentional vector, Bahdanau's deep maxout layer, Xu's `deep` output layer,
    or the state itself. By default what the query's paper has, and the state without attention."""
    readout_activation: ActivationName | None = None
    """What the `attentional` and the `deep` readout end with. By default `none` for the first, which then learns sooner
    (Luong's equation 5 has `tanh`), and `tanh` for the second, as Xu's released code (their equation 7 has `none`)."""

    def readout_name(self, *, attends: bool) -> str:
        """Return the readout, which is by default that of the paper that the query comes from."""
        if self.readout is not None:
            return self.readout
        if not attends:
            return "maxout" if self.context == "every_step" else "state"
        return "maxout" if self.query == "previous_state" else "attentional"

    def readout_activation_name(self, *, attends: bool) -> str:
        """Return what the readout ends with."""
        if self.readout_activation is not None:
            return self.readout_activation
        return "tanh" if self.readout_name(attends=attends) == "deep" else "none"


class RecurrentDecoder(_RecurrentWriting, Recurrent):
    """A recurrent network that writes the target."""


class LSTMNDecoder(_RecurrentWriting, LSTMN):
    """A long short-term memory-network that writes the target: it looks back on its own states as the encoder of this
    kind does, and beside that on the source by `model.attention` (Cheng et al. 2016, figure 3a, "shallow" fusion).
    """


class TransformerDecoder(Transformer):
    """Layers of self-attention over the target so far and of attention to the source (Vaswani et al. 2017).

    It needs `model.attention: {score: scaled_dot}`.
    """


Decoder = Annotated[
    Annotated[RecurrentDecoder, Tag("recurrent")]
    | Annotated[LSTMNDecoder, Tag("lstmn")]
    | Annotated[TransformerDecoder, Tag("transformer")],
    Discriminator(network_kind),
]

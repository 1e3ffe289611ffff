"""The parts of an encoder-decoder and their sizes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, GetJsonSchemaHandler, Tag, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from attncli.config.section import Section

CellName = Literal["rnn", "gru", "lstm"]
ScoreName = Literal["content", "additive", "location", "general", "dot", "scaled_dot"]
Rate = Annotated[float, Field(ge=0, lt=1)]


class Dropout(Section):
    """Where values are set to 0 in training, and how often. A plain number is used at all three places."""

    inputs: Rate = 0.0
    """On the embeddings of both sides."""
    layers: Rate = 0.0
    """Between the layers of a stack, and on the memory."""
    outputs: Rate = 0.0
    """On the vector that the output layer reads (with input feeding, also what is fed back)."""

    @model_validator(mode="before")
    @classmethod
    def _one_number_for_all(cls, value: Any) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return {"inputs": value, "layers": value, "outputs": value}
        if not isinstance(value, (dict, Dropout)):
            raise ValueError(f"should be a number, or keys inputs, layers and outputs, but is {value!r}")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema with the plain number, which pydantic does not see in `_one_number_for_all`."""
        keys = handler.resolve_ref_schema(handler(core))
        rate = next(iter(keys["properties"].values()))
        number = {name: rate[name] for name in ("type", "minimum", "exclusiveMaximum")}
        shared = {name: keys.pop(name) for name in ("title", "description")}
        return {**shared, "anyOf": [number, keys]}


class RecurrentEncoder(Section):
    """A recurrent network over the source."""

    kind: Literal["recurrent"] = "recurrent"
    """The kind of encoder."""
    cell: CellName = "lstm"
    """Plain tanh RNN, gated recurrent unit or long short-term memory."""
    hidden_size: int = Field(default=512, ge=1)
    """Width of a state, both directions together."""
    layers: int = Field(default=1, ge=1)
    """Layers, each reading the one below."""
    bidirectional: bool = True
    """Read the source in both directions; each takes half of `hidden_size`."""
    reverse_source: bool = False
    """Read the source from its end (Sutskever et al. 2014)."""

    @model_validator(mode="after")
    def _halves_are_whole(self) -> RecurrentEncoder:
        if self.bidirectional and self.hidden_size % 2:
            raise ValueError(f"hidden_size {self.hidden_size} is odd, but two directions share it; make it even")
        return self


class Attention(Section):
    """How a decoder looks at the source."""

    score: ScoreName = "additive"
    """How well a query matches a position: `content` (cosine with a learned sharpness), `additive`, `location`,
    `general`, `dot` or `scaled_dot`."""
    size: int | None = Field(default=None, ge=1)
    """Width of the hidden layer of the `additive` score; by default the decoder's hidden size."""
    sharpening: Literal["learned", "none"] | None = None
    """For the `content` score: multiply the cosine by a learned positive factor (`learned`, the default) or not."""
    maximum_source_length: int | None = Field(default=None, ge=1)
    """For the `location` score: the most source positions it can see."""
    longer_sources: Literal["error", "ignore"] | None = None
    """For the `location` score, beyond `maximum_source_length`: an error (the default), or positions that get no
    weight (Luong et al. 2015)."""

    @model_validator(mode="after")
    def _keys_belong_to_the_score(self) -> Attention:
        owners = {
            "size": "additive",
            "sharpening": "content",
            "maximum_source_length": "location",
            "longer_sources": "location",
        }
        for key, owner in owners.items():
            if getattr(self, key) is not None and self.score != owner:
                raise ValueError(f"{key} belongs to score: {owner}, but score is {self.score}; remove it")
        if self.score == "location" and self.maximum_source_length is None:
            raise ValueError("score: location needs maximum_source_length, the most source positions it can see")
        return self


class RecurrentDecoder(Section):
    """A recurrent network that writes the target."""

    kind: Literal["recurrent"] = "recurrent"
    """The kind of decoder."""
    cell: CellName = "lstm"
    """Plain tanh RNN, gated recurrent unit or long short-term memory."""
    hidden_size: int = Field(default=512, ge=1)
    """Width of a state."""
    layers: int = Field(default=1, ge=1)
    """Layers, each reading the one below; the top one asks the attention."""
    query: Literal["previous_state", "current_state"] = "current_state"
    """The state that asks: before the step's input is read (Bahdanau et al. 2015) or after (Luong et al. 2015)."""
    input_feeding: bool = False
    """The attentional vector joins the next step's input (Luong et al. 2015, 3.3); only with `query: current_state`."""
    context: Literal["initial", "every_step"] = "initial"
    """Without attention: the context vector starts the decoder (Sutskever et al. 2014), or is also an input of every
    step (Cho et al. 2014)."""
    bridge: Literal["final", "mean", "mean_mlp", "zero"] = "final"
    """What the first state is computed from: the encoder's final state, the mean of the memory (`mean_mlp`: by a
    network of two layers for each of its parts, as Xu et al. 2015), or nothing."""
    gate: bool = False
    """Scale the context by a number between 0 and 1 that the asking state decides (Xu et al. 2015, 4.2.1)."""
    doubly_stochastic: float = Field(default=0.0, ge=0)
    """Weight λ of a term in training that asks for every source position to be looked at as much as any other (Xu et
    al. 2015, 4.2.1; 1 in their released code)."""
    readout: Literal["attentional", "maxout", "deep", "state"] | None = None
    """What the output layer reads: Luong's attentional vector, Bahdanau's deep maxout layer, Xu's `deep` output layer,
    or the state itself. By default what the query's paper has, and the state without attention."""


def _attention_kind(value: Any) -> str:
    return "<none>" if isinstance(value, str) else "<attention>"


class TranslationModel(Section):
    """An encoder-decoder over tokens."""

    embedding_size: int = Field(default=256, ge=1)
    """Width of a token's embedding, on both sides."""
    tied_embeddings: Literal["none", "target", "all"] = "none"
    """`target`: the output layer uses the target embeddings (then its input is projected to `embedding_size`);
    `all`: the source's too, which needs a shared vocabulary."""
    dropout: Dropout = Dropout()
    """A rate for everything, or rates for `inputs`, `layers` and `outputs`."""
    encoder: RecurrentEncoder = RecurrentEncoder()
    """What reads the source."""
    attention: Annotated[
        Annotated[Literal["none"], Tag("<none>")] | Annotated[Attention, Tag("<attention>")],
        Discriminator(_attention_kind),
    ] = Attention()
    """`none` for a fixed context vector, or how the decoder looks at the source."""
    decoder: RecurrentDecoder = RecurrentDecoder()
    """What writes the target."""

    @field_validator("attention", mode="before")
    @classmethod
    def _none_or_keys(cls, value: Any) -> Any:
        if value != "none" and not isinstance(value, (dict, Attention)):
            raise ValueError(f"should be 'none', or keys such as {{score: additive}}, but is {value!r}")
        return value

"""Keys that encoders and decoders share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from attncli.config.problems import shown_value
from attncli.config.quantities import Layers, Length, Rate, Size
from attncli.config.section import Section

CellName = Literal["rnn", "gru", "lstm"]
ScaleName = Literal["root", "none"]
InitialWeights = Literal["glorot", "uniform"]


class Dropout(Section):
    """How often values are set to 0 in training. A plain number applies to all three places."""

    inputs: Rate = 0.0
    """On the embeddings of both sides (with positions added, where there are any)."""
    layers: Rate = 0.0
    """Between stacked layers, and on the memory; in a Transformer, on the output of each sublayer."""
    outputs: Rate = 0.0
    """On the input of the output layer (with input feeding, also on what is fed back)."""

    @model_validator(mode="before")
    @classmethod
    def _one_number_for_all(cls, value: Any) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return {"inputs": value, "layers": value, "outputs": value}
        if not isinstance(value, (dict, Dropout)):
            raise ValueError(f"should be a number, or keys inputs, layers and outputs, but is {shown_value(value)}")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema with the plain number, which pydantic cannot see in `_one_number_for_all`."""
        keys = handler.resolve_ref_schema(super().__get_pydantic_json_schema__(core, handler))
        rate = next(iter(keys["properties"].values()))
        number = {name: rate[name] for name in ("type", "minimum", "exclusiveMaximum")}
        shared = {name: keys.pop(name) for name in ("title", "description")}
        return {**shared, "anyOf": [number, keys]}


class Recurrent(Section):
    """A recurrent network of an encoder or a decoder."""

    kind: Literal["recurrent"] = "recurrent"
    """The kind of network."""
    cell: CellName = "lstm"
    """Plain tanh RNN, gated recurrent unit or long short-term memory."""


class LSTMN(Section):
    """A long short-term memory-network of an encoder or a decoder (Cheng et al. 2016)."""

    kind: Literal["lstmn"] = "lstmn"
    """The kind of network."""


class TokenInput(Section):
    """The input of a network that reads tokens."""

    embedding_scale: ScaleName = "root"
    """Scale of embeddings where they are read: the `root` of their width, so that inputs have size 1 while the weights
    stay small enough to share with the output layer (Vaswani et al. 2017, 3.4), or `none`."""


class Positions(Section):
    """Position encodings; a subclass has the key `positions`."""

    maximum_length: Length | None = None
    """With learned positions: the maximum number of tokens, including the end symbol."""

    @model_validator(mode="after")
    def _learned_positions_are_counted(self) -> Positions:
        positions = self.positions  # type: ignore[attr-defined]
        if positions == "learned" and self.maximum_length is None:
            raise ValueError("positions: learned needs maximum_length, the maximum number of positions")
        if positions != "learned" and self.maximum_length is not None:
            raise ValueError(f"maximum_length belongs to positions: learned, but positions is {positions}; remove it")
        return self


class RecurrentReading(Positions):
    """A network with steps over a source."""

    hidden_size: Size = 512
    """Width of a state, counting both directions."""
    layers: Layers = 1
    """Number of layers."""
    bidirectional: bool = True
    """Read the source in both directions; each takes half of `hidden_size`."""
    positions: Literal["none", "sinusoidal", "learned"] = "none"
    """Position encoding added to what is read: none, fixed sines and cosines (Vaswani et al. 2017, 3.5), or a learned
    vector for each position."""

    @model_validator(mode="after")
    def _halves_are_whole(self) -> RecurrentReading:
        if self.bidirectional and self.hidden_size % 2:
            raise ValueError(
                f"hidden_size {self.hidden_size} is odd, but each of two directions takes half of it; make it even"
            )
        return self


class TransformerLayers(Positions):
    """A stack of Transformer layers (Vaswani et al. 2017)."""

    kind: Literal["transformer"] = "transformer"
    """The kind of network."""
    hidden_size: Size = 512
    """Width of a state; must equal `model.embedding_size`."""
    layers: Layers = 6
    """Number of layers."""
    heads: Layers = 8
    """Attention heads per layer; they divide `hidden_size` evenly."""
    feed_forward_size: Size = 2048
    """Width of the inner layer of the feed-forward networks."""
    activation: Literal["relu", "gelu"] = "relu"
    """Activation of the inner layer."""
    norm: Literal["pre", "post"] = "pre"
    """Layer normalisation before each sublayer (`pre`), which trains without a long warm-up, or after it (`post`), as
    in the paper."""
    positions: Literal["sinusoidal", "learned"] = "sinusoidal"
    """Position encoding: fixed sines and cosines, or a learned vector for each position."""

    @model_validator(mode="after")
    def _heads_share_evenly(self) -> TransformerLayers:
        if self.hidden_size % self.heads:
            raise ValueError(f"hidden_size {self.hidden_size} is not a multiple of heads {self.heads}; make it one")
        return self


class ConvolutionalLayers(Positions):
    """A stack of gated convolutions (Gehring et al. 2017)."""

    kind: Literal["convolutional"] = "convolutional"
    """The kind of network."""
    hidden_size: Size = 512
    """Width of a state."""
    layers: Layers = 4
    """Number of layers."""
    kernel_size: Annotated[int, Field(ge=1, le=1001)] = 3
    """Positions that a convolution sees, an odd number: with 4 layers of 3 a state knows 4 positions before it and 4
    after it."""
    positions: Literal["none", "sinusoidal", "learned"] = "sinusoidal"
    """Position encoding added to what is read: none, fixed sines and cosines (Vaswani et al. 2017, 3.5), or a learned
    vector for each position, as in the paper."""

    @model_validator(mode="after")
    def _has_a_middle(self) -> ConvolutionalLayers:
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size {self.kernel_size} is even, so that it has no middle; make it odd")
        return self


class Transformer(TokenInput, TransformerLayers):
    """A stack of Transformer layers of an encoder or a decoder of tokens (Vaswani et al. 2017)."""


def network_kind(value: Any) -> str | None:
    """Return the `kind` of a network, by default recurrent; None for what is not a section."""
    if isinstance(value, Section):
        return str(value.kind)  # type: ignore[attr-defined]
    return str(value.get("kind", "recurrent")) if isinstance(value, dict) else None


def width_conflict(name: str, section: Transformer, *, embedding_size: int) -> Iterator[str]:
    """Yield the conflict of the width of the Transformer in `model.NAME` with that of the embeddings."""
    if section.hidden_size != embedding_size:
        yield (
            f"model.{name}.hidden_size: is {section.hidden_size}, but model.embedding_size is {embedding_size}; the "
            "states of a transformer are added to its embeddings, so make them equal"
        )

"""The parts of an encoder-decoder and their sizes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, GetJsonSchemaHandler, Tag, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from attncli.config.section import Section

CellName = Literal["rnn", "gru", "lstm"]
ScoreName = Literal["content", "additive", "location", "general", "dot", "scaled_dot"]
WindowName = Literal["global", "local_m", "local_p"]
SelectionName = Literal["soft", "hard"]
EstimatorName = Literal["reinforce", "straight_through"]
RewardName = Literal["token", "sentence"]
InferenceName = Literal["argmax", "expectation", "sample"]
Rate = Annotated[float, Field(ge=0, lt=1)]
InitialWeights = Literal["glorot", "uniform"]
ScaleName = Literal["root", "none"]
ActivationName = Literal["tanh", "none"]
Weight = Annotated[float, Field(ge=0)]
Temperature = Annotated[float, Field(gt=0)]

HALF_WIDTH = 10
"""Half the width of a local window where none is given (Luong et al. 2015, section 4.1)."""


class Dropout(Section):
    """Where values are set to 0 in training, and how often. A plain number is used at all three places."""

    inputs: Rate = 0.0
    """On the embeddings of both sides, which in a Transformer hold the positions too."""
    layers: Rate = 0.0
    """Between the layers of a stack, and on the memory; in a Transformer on what each part of a layer adds."""
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


class _Recurrent(Section):
    kind: Literal["recurrent"] = "recurrent"
    """The kind of network."""
    cell: CellName = "lstm"
    """Plain tanh RNN, gated recurrent unit or long short-term memory."""


class _LSTMN(Section):
    kind: Literal["lstmn"] = "lstmn"
    """The kind of network."""


class _TokenInput(Section):
    embedding_scale: ScaleName = "root"
    """What embeddings are multiplied by where they are read: the `root` of their width, so that their numbers are of
    size 1 while the weights themselves stay small enough to be an output layer's (Vaswani et al. 2017, 3.4), or
    nothing (`none`)."""


class Positions(Section):
    """What tells where something stands; sections say by which keys."""

    maximum_length: int | None = Field(default=None, ge=1)
    """With learned positions: the most tokens there can be, the end symbol counted."""

    @model_validator(mode="after")
    def _learned_positions_are_counted(self) -> Positions:
        positions = self.positions  # type: ignore[attr-defined]
        if positions == "learned" and self.maximum_length is None:
            raise ValueError("positions: learned needs maximum_length, the most tokens there can be")
        if positions != "learned" and self.maximum_length is not None:
            raise ValueError(f"maximum_length belongs to positions: learned, but positions is {positions}; remove it")
        return self


class _RecurrentReading(_TokenInput, Positions):
    hidden_size: int = Field(default=512, ge=1)
    """Width of a state, both directions together."""
    layers: int = Field(default=1, ge=1)
    """Layers, each reading the one below."""
    bidirectional: bool = True
    """Read the source in both directions; each takes half of `hidden_size`."""
    reverse_source: bool = False
    """Read the source from its end (Sutskever et al. 2014)."""
    positions: Literal["none", "sinusoidal", "learned"] = "none"
    """What else tells where a word stands, added to its embedding: nothing, fixed sines and cosines (Vaswani et al.
    2017, 3.5), or a learned vector of each position."""

    @model_validator(mode="after")
    def _halves_are_whole(self) -> _RecurrentReading:
        if self.bidirectional and self.hidden_size % 2:
            raise ValueError(f"hidden_size {self.hidden_size} is odd, but two directions share it; make it even")
        return self


class RecurrentEncoder(_RecurrentReading, _Recurrent):
    """A recurrent network over the source."""


class LSTMNEncoder(_RecurrentReading, _LSTMN):
    """A long short-term memory-network over the source: an LSTM whose every step looks back on all states before it,
    in place of the last one alone (Cheng, Dong and Lapata 2016).
    """


class _Transformer(_TokenInput, Positions):
    kind: Literal["transformer"] = "transformer"
    """The kind of network."""
    hidden_size: int = Field(default=512, ge=1)
    """Width of a state; `model.embedding_size` must be the same."""
    layers: int = Field(default=6, ge=1)
    """Layers, each reading the one below."""
    heads: int = Field(default=8, ge=1)
    """Attentions side by side in every layer; each takes its share of `hidden_size`."""
    feed_forward_size: int = Field(default=2048, ge=1)
    """Width of the inner layer of the feed-forward networks."""
    activation: Literal["relu", "gelu"] = "relu"
    """What the inner layer applies."""
    norm: Literal["pre", "post"] = "pre"
    """Layer normalisation before each part of a layer, which trains without a long warm-up, or after it, as in the
    paper."""
    positions: Literal["sinusoidal", "learned"] = "sinusoidal"
    """How a position is told: by fixed sines and cosines, or by a learned vector of each."""

    @model_validator(mode="after")
    def _heads_share_evenly(self) -> _Transformer:
        if self.hidden_size % self.heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} cannot be shared evenly by heads {self.heads}; make it a multiple"
            )
        return self


class TransformerEncoder(_Transformer):
    """Layers of self-attention over the source (Vaswani et al. 2017)."""


class Reinforce(Section):
    """Hard attention learned from the log-probability of whole targets (Xu et al. 2015, section 4.1)."""

    kind: Literal["reinforce"] = "reinforce"
    """The kind of estimator."""
    reward: RewardName = "token"
    """What rewards the draws of a sentence: the log-probability of its mean `token`, so that long sentences are not
    punished for their length (as the released code), or that of the whole `sentence` (as the paper; with a weight of 1
    the estimate is that of the bound's own gradient)."""
    reward_weight: Weight = 0.1
    """What the reward is multiplied by (λr in the paper; the value is the released code's, for its reward by token)."""
    entropy_weight: Weight = 0.002
    """What the entropy of the distributions is multiplied by (λe; the value is the released code's)."""
    expectation_rate: float = Field(default=0.5, ge=0, le=1)
    """How often the draws of a sentence are replaced by their expectation, which lowers the variance."""


class StraightThrough(Section):
    """Hard attention learned through Gumbel noise, as if the draw were soft (Jang et al. 2017)."""

    kind: Literal["straight_through"] = "straight_through"
    """The kind of estimator."""
    temperature: Temperature = 1.0
    """The temperature of the first batch; the lower, the closer the soft choice is to the draw."""
    lowest_temperature: Temperature = 0.5
    """Where it stops falling."""
    annealing: Weight = 1e-4
    """How fast it falls: by the factor exp(-annealing) a batch."""

    @model_validator(mode="after")
    def _falls(self) -> StraightThrough:
        if self.lowest_temperature > self.temperature:
            raise ValueError(
                f"lowest_temperature {self.lowest_temperature:g} is over temperature {self.temperature:g}, where it "
                "begins; make it as low or lower"
            )
        return self


def _estimator_kind(value: Any) -> Any:
    if isinstance(value, dict):
        return value.get("kind")
    return "<name>" if isinstance(value, str) else getattr(value, "kind", None)


class Attention(Section):
    """How a decoder looks at the source."""

    score: ScoreName = "additive"
    """How well a query matches a position: `content` (cosine with a learned sharpness), `additive`, `location`,
    `general`, `dot` or `scaled_dot`."""
    size: int | None = Field(default=None, ge=1)
    """Width of the hidden layer of the `additive` score, or of the projections of `scaled_dot`; by default the
    decoder's hidden size."""
    projections: Literal["learned", "none"] | None = None
    """For the `scaled_dot` score: what is multiplied, learned projections of query and memory (`learned`, the default;
    Vaswani et al. 2017, 3.2.2), or the two as they are, which must have one width (`none`)."""
    sharpening: Literal["learned", "none"] | None = None
    """For the `content` score: multiply the cosine by a learned positive factor (`learned`, the default) or not."""
    maximum_source_length: int | None = Field(default=None, ge=1)
    """For the `location` score: the most source positions it can see."""
    longer_sources: Literal["error", "ignore"] | None = None
    """For the `location` score, beyond `maximum_source_length`: an error (the default), or positions that get no
    weight (Luong et al. 2015)."""
    window: WindowName = "global"
    """Where a query may look: everywhere (`global`), around the step's number (`local_m`), or around a place that it
    predicts (`local_p`; Luong et al. 2015, section 3.2)."""
    half_width: int | None = Field(default=None, ge=1)
    """For `local_m` and `local_p`: how far a position may be from the middle of the window; by default 10. For images
    in rows and columns."""
    selection: SelectionName = "soft"
    """What is read: the weighted mean (`soft`), or one position (`hard`; Xu et al. 2015, section 4)."""
    estimator: (
        Annotated[
            Annotated[EstimatorName, Tag("<name>")]
            | Annotated[Reinforce, Tag("reinforce")]
            | Annotated[StraightThrough, Tag("straight_through")],
            Discriminator(_estimator_kind),
        ]
        | None
    ) = None
    """For `hard`: how the choice is learned, by name or with keys; by default `reinforce`."""
    inference: InferenceName | None = None
    """For `hard`, out of training: the likeliest position (`argmax`, the default), the mean as with `soft`
    (`expectation`), or a draw (`sample`)."""
    sampling_seed: int | None = Field(default=None, ge=0)
    """For `inference: sample`: what the draws begin from, for every batch anew; by default 1."""

    @property
    def is_projected(self) -> bool:
        """Whether query and memory are projected before they are multiplied."""
        return self.score == "scaled_dot" and self.projections != "none"

    @property
    def hard_estimator(self) -> Reinforce | StraightThrough:
        """How hard attention is learned, with all keys."""
        if isinstance(self.estimator, (Reinforce, StraightThrough)):
            return self.estimator
        return StraightThrough() if self.estimator == "straight_through" else Reinforce()

    @model_validator(mode="after")
    def _keys_belong_to_the_window(self) -> Attention:
        if self.half_width is not None and self.window == "global":
            raise ValueError("half_width belongs to window: local_m or local_p, but window is global; remove it")
        if self.longer_sources == "ignore" and self.window != "global":
            raise ValueError(
                f"longer_sources: ignore gives no weight beyond maximum_source_length, where a window: {self.window} "
                "may lie whole; choose window: global, or longer_sources: error with a higher maximum_source_length"
            )
        return self

    @model_validator(mode="after")
    def _keys_belong_to_the_selection(self) -> Attention:
        for key in ("estimator", "inference", "sampling_seed"):
            if getattr(self, key) is not None and self.selection != "hard":
                raise ValueError(f"{key} belongs to selection: hard, but selection is {self.selection}; remove it")
        if self.sampling_seed is not None and self.inference != "sample":
            raise ValueError(
                f"sampling_seed belongs to inference: sample, but inference is {self.inference or 'argmax'}; remove it"
            )
        return self

    @model_validator(mode="after")
    def _keys_belong_to_the_score(self) -> Attention:
        owners = {
            "projections": "scaled_dot",
            "sharpening": "content",
            "maximum_source_length": "location",
            "longer_sources": "location",
        }
        for key, owner in owners.items():
            if getattr(self, key) is not None and self.score != owner:
                raise ValueError(f"{key} belongs to score: {owner}, but score is {self.score}; remove it")
        if self.size is not None and not (self.score == "additive" or self.is_projected):
            raise ValueError(
                f"size belongs to score: additive and to scaled_dot with projections, but score is {self.score}; "
                "remove it"
            )
        if self.score == "location" and self.maximum_source_length is None:
            raise ValueError("score: location needs maximum_source_length, the most source positions it can see")
        return self


class _RecurrentWriting(_TokenInput):
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


class RecurrentDecoder(_RecurrentWriting, _Recurrent):
    """A recurrent network that writes the target."""


class LSTMNDecoder(_RecurrentWriting, _LSTMN):
    """A long short-term memory-network that writes the target: it looks back on its own states as the encoder of this
    kind does, and beside that on the source by `model.attention` (Cheng et al. 2016, figure 3a, "shallow" fusion).
    """


class TransformerDecoder(_Transformer):
    """Layers of self-attention over the target so far and of attention to the source (Vaswani et al. 2017).

    It needs `model.attention: {score: scaled_dot}`.
    """


def _kind(value: Any) -> str | None:
    if isinstance(value, Section):
        return str(value.kind)  # type: ignore[attr-defined]
    return str(value.get("kind", "recurrent")) if isinstance(value, dict) else None


Encoder = Annotated[
    Annotated[RecurrentEncoder, Tag("recurrent")]
    | Annotated[LSTMNEncoder, Tag("lstmn")]
    | Annotated[TransformerEncoder, Tag("transformer")],
    Discriminator(_kind),
]
Decoder = Annotated[
    Annotated[RecurrentDecoder, Tag("recurrent")]
    | Annotated[LSTMNDecoder, Tag("lstmn")]
    | Annotated[TransformerDecoder, Tag("transformer")],
    Discriminator(_kind),
]

TokenReader = (
    RecurrentEncoder | LSTMNEncoder | TransformerEncoder | RecurrentDecoder | LSTMNDecoder | TransformerDecoder
)


def _attention_kind(value: Any) -> str:
    return "<none>" if isinstance(value, str) else "<attention>"


def _none_or_keys(value: Any) -> Any:
    if value != "none" and not isinstance(value, (dict, Attention)):
        raise ValueError(f"should be 'none', or keys such as {{score: additive}}, but is {value!r}")
    return value


AttentionChoice = Annotated[
    Annotated[Literal["none"], Tag("<none>")] | Annotated[Attention, Tag("<attention>")],
    Discriminator(_attention_kind),
    BeforeValidator(_none_or_keys),
]


class TranslationModel(Section):
    """An encoder-decoder over tokens."""

    embedding_size: int = Field(default=256, ge=1)
    """Width of a token's embedding, on both sides."""
    tied_embeddings: Literal["none", "target", "all"] = "none"
    """`target`: the output layer uses the target embeddings (then its input is projected to `embedding_size`);
    `all`: the source's too, which needs a shared vocabulary."""
    dropout: Dropout = Dropout()
    """A rate for everything, or rates for `inputs`, `layers` and `outputs`."""
    initial_weights: InitialWeights = "glorot"
    """How weights start: by what each layer reads (`glorot`, with orthogonal recurrences; Glorot and Bengio 2010, Saxe
    et al. 2014), or all evenly between -0.1 and 0.1 (`uniform`, as OpenNMT and fairseq)."""
    encoder: Encoder = RecurrentEncoder()
    """What reads the source; without a `kind` it is a recurrent one."""
    attention: AttentionChoice = Attention()
    """`none` for a fixed context vector, or how the decoder looks at the source."""
    decoder: Decoder = RecurrentDecoder()
    """What writes the target; without a `kind` it is a recurrent one."""

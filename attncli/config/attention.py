"""How a decoder attends to the source: score, window and selection."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Tag, model_validator

from attncli.config.problems import shown_value
from attncli.config.quantities import Length, Seed, Share, Size, Temperature, Weight
from attncli.config.section import Section

ScoreName = Literal["content", "additive", "location", "general", "dot", "scaled_dot"]
WindowName = Literal["global", "local_m", "local_p"]
SelectionName = Literal["soft", "hard"]
EstimatorName = Literal["reinforce", "straight_through"]
RewardName = Literal["token", "sentence"]
InferenceName = Literal["argmax", "expectation", "sample"]
NormalisationName = Literal["softmax", "sigmoid"]
InitialAlignmentName = Literal["first", "uniform", "zeros"]

HALF_WIDTH = 10
"""Half the width of a local window where none is given (Luong et al. 2015, section 4.1)."""
FILTERS, FILTER_WIDTH = 10, 101
"""Of `location_aware` where none are given; Chorowski et al. 2015 use 10 filters over 201 frames of 10 ms."""
INITIAL_ALIGNMENT = "first"
"""Of `location_aware` where none is given."""
COVERAGE_LOSS = 1.0
"""Weight of the coverage loss where none is given (See et al. 2017, section 2.3)."""


class Reinforce(Section):
    """Hard attention trained with the log-probability of the target as the reward (Xu et al. 2015, section 4.1)."""

    kind: Literal["reinforce"] = "reinforce"
    """The kind of estimator."""
    reward: RewardName = "token"
    """Reward of a sentence's samples: the mean log-probability per `token`, which does not penalise long sentences (as
    in the released code), or the log-probability of the whole `sentence` (as in the paper; with a weight of 1 this
    estimates the gradient of the bound)."""
    reward_weight: Weight = 0.1
    """Weight of the reward (λr in the paper; the default is that of the released code, for the reward by token)."""
    entropy_weight: Weight = 0.002
    """Weight of the entropy of the distributions (λe; the default is that of the released code)."""
    expectation_rate: Share = 0.5
    """How often the samples for a sentence are replaced by their expectation, which lowers the variance."""


class StraightThrough(Section):
    """Hard attention trained with the gradient of a Gumbel softmax (Jang et al. 2017)."""

    kind: Literal["straight_through"] = "straight_through"
    """The kind of estimator."""
    temperature: Temperature = 1.0
    """Temperature at the start; the lower it is, the closer the soft choice is to the sample."""
    lowest_temperature: Temperature = 0.5
    """The lowest temperature."""
    annealing: Share = 1e-4
    """How fast the temperature falls: by a factor of exp(-annealing) per update."""

    @model_validator(mode="after")
    def _falls(self) -> StraightThrough:
        if self.lowest_temperature > self.temperature:
            raise ValueError(
                f"lowest_temperature {self.lowest_temperature:g} is above the temperature at the start, "
                f"{self.temperature:g}; lower it"
            )
        return self


def _estimator_kind(value: Any) -> Any:
    if isinstance(value, dict):
        return value.get("kind")
    return "<name>" if isinstance(value, str) else getattr(value, "kind", None)


class Attention(Section):
    """How a decoder attends to the source."""

    score: ScoreName = "additive"
    """How well a query matches a position: `content` (cosine with a learned sharpness), `additive`, `location`,
    `general`, `dot` or `scaled_dot`."""
    size: Size | None = None
    """Width of the hidden layer of the `additive` score, or of the projections of `scaled_dot`; by default the
    decoder's hidden size."""
    projections: Literal["learned", "none"] | None = None
    """For the `scaled_dot` score: multiply learned projections of query and memory (`learned`, the default; Vaswani et
    al. 2017, 3.2.2), or the two directly, which must then have equal widths (`none`)."""
    sharpening: Literal["learned", "none"] | None = None
    """For the `content` score: multiply the cosine by a learned positive factor (`learned`, the default) or not."""
    maximum_source_length: Length | None = None
    """For the `location` score: the maximum number of source positions."""
    longer_sources: Literal["error", "ignore"] | None = None
    """For the `location` score and sources beyond `maximum_source_length`: raise an error (the default), or give the
    extra positions no weight (`ignore`; Luong et al. 2015)."""
    coverage: bool = False
    """For the `additive` score: it also sees how much each position was attended to in all steps so far (See et al.
    2017, equations 10 and 11)."""
    coverage_loss: Weight | None = None
    """For `coverage`: weight λ of a training term that discourages attending to the same positions again (See et al.
    2017, equations 12 and 13); by default 1."""
    location_aware: bool = False
    """For the `additive` score: it also sees the weights of the previous step, through filters along the positions
    (Chorowski et al. 2015, equations 8 and 9)."""
    filters: Size | None = None
    """For `location_aware`: the number of filters; by default 10."""
    filter_width: Length | None = None
    """For `location_aware`: the width of a filter, an odd number of positions; by default 101. It has to reach from
    what is written to what comes next, pauses included."""
    initial_alignment: InitialAlignmentName | None = None
    """For `location_aware`: the weights that the first step sees as those of the step before it: all on the `first`
    position (the default), equal (`uniform`), or `zeros`, by which the first step cannot tell where the source
    begins."""
    temperature: Temperature = 1.0
    """Divides the scores before they are normalised: under 1 it sharpens the weights, over 1 it flattens them (1/β of
    Chorowski et al. 2015, section 2.2)."""
    normalisation: NormalisationName = "softmax"
    """How scores become weights: `softmax`, or their `sigmoid` over its sum, which attends to more positions at once
    ("smoothing", Chorowski et al. 2015, section 2.2)."""
    window: WindowName = "global"
    """Where a query may attend: everywhere (`global`), around the position of the step (`local_m`), or around a
    predicted position (`local_p`; Luong et al. 2015, section 3.2)."""
    half_width: Length | None = None
    """For `local_m` and `local_p`: half the width of the window, in positions; by default 10. For images, in rows and
    columns."""
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
    """For `hard`: how the choice is learned, as a name or with keys; by default `reinforce`."""
    inference: InferenceName | None = None
    """For `hard`, outside training: the likeliest position (`argmax`, the default), the weighted mean as with `soft`
    (`expectation`), or a sample (`sample`)."""
    sampling_seed: Seed | None = None
    """For `inference: sample`: the random seed, by default 1. A source is read the same in every batch."""

    @property
    def is_projected(self) -> bool:
        """Whether query and memory are projected before they are multiplied."""
        return self.score == "scaled_dot" and self.projections != "none"

    @property
    def looks_back(self) -> bool:
        """Whether the score sees the weights of earlier steps."""
        return self.coverage or self.location_aware

    @property
    def coverage_weight(self) -> float:
        """Weight of the coverage loss; 0 without coverage."""
        if not self.coverage:
            return 0.0
        return COVERAGE_LOSS if self.coverage_loss is None else self.coverage_loss

    @property
    def hard_estimator(self) -> Reinforce | StraightThrough:
        """How hard attention is learned, with all keys."""
        if isinstance(self.estimator, (Reinforce, StraightThrough)):
            return self.estimator
        return StraightThrough() if self.estimator == "straight_through" else Reinforce()

    @model_validator(mode="after")
    def _keys_belong_to_the_history(self) -> Attention:
        for key in ("coverage", "location_aware"):
            if getattr(self, key) and self.score != "additive":
                raise ValueError(f"{key} belongs to score: additive, but score is {self.score}; remove it")
        for key, owner in {
            "coverage_loss": "coverage",
            "filters": "location_aware",
            "filter_width": "location_aware",
            "initial_alignment": "location_aware",
        }.items():
            if getattr(self, key) is not None and not getattr(self, owner):
                raise ValueError(f"{key} belongs to {owner}: true, but {owner} is false; remove it")
        if self.filter_width is not None and self.filter_width % 2 == 0:
            raise ValueError(f"filter_width {self.filter_width} has no middle; choose an odd number")
        return self

    @model_validator(mode="after")
    def _keys_belong_to_the_window(self) -> Attention:
        if self.half_width is not None and self.window == "global":
            raise ValueError("half_width belongs to window: local_m or local_p, but window is global; remove it")
        if self.longer_sources == "ignore" and self.window != "global":
            raise ValueError(
                "longer_sources: ignore gives no weight beyond maximum_source_length, where all of a window: "
                f"{self.window} may lie; choose window: global, or longer_sources: error with a higher "
                "maximum_source_length"
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
            raise ValueError("score: location needs maximum_source_length, the maximum number of source positions")
        return self


def _attention_kind(value: Any) -> str:
    return "<none>" if isinstance(value, str) else "<attention>"


def _none_or_keys(value: Any) -> Any:
    if value != "none" and not isinstance(value, (dict, Attention)):
        raise ValueError(f"should be 'none', or keys such as {{score: additive}}, but is {shown_value(value)}")
    return value


AttentionChoice = Annotated[
    Annotated[Literal["none"], Tag("<none>")] | Annotated[Attention, Tag("<attention>")],
    Discriminator(_attention_kind),
    BeforeValidator(_none_or_keys),
]

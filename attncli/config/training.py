"""Settings of training: optimiser, schedule, validation, stopping and saving."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from attncli.config.quantities import Count, LearningRate, Rate, Seed, Share, Size, Updates
from attncli.config.section import MAY_CHANGE, Section

# From what float32 can add to a gradient's size without losing it in its smallest normal numbers, to what hides all.
Epsilon = Annotated[float, Field(ge=1e-30, le=1)]


class Adam(Section):
    """Kingma and Ba 2015."""

    kind: Literal["adam"] = "adam"
    """The kind of optimiser."""
    betas: tuple[Rate, Rate] = (0.9, 0.999)
    """Decay of the running means of the gradient and of its square."""
    epsilon: Epsilon = 1e-8
    """Added to the square root of the running squared gradient."""


class AdamW(Section):
    """Loshchilov and Hutter 2019: Adam with decoupled weight decay."""

    kind: Literal["adamw"] = "adamw"
    """The kind of optimiser."""
    betas: tuple[Rate, Rate] = (0.9, 0.999)
    """Decay of the running means of the gradient and of its square."""
    epsilon: Epsilon = 1e-8
    """Added to the square root of the running squared gradient."""
    weight_decay: float = Field(default=0.01, ge=0, le=100)
    """Weight decay per step, multiplied by the learning rate."""


class SGD(Section):
    """Stochastic gradient descent."""

    kind: Literal["sgd"] = "sgd"
    """The kind of optimiser."""
    momentum: Rate = 0.0
    """Momentum."""


class Constant(Section):
    """The learning rate stays at its peak."""

    kind: Literal["constant"] = "constant"
    """The kind of schedule."""
    warmup: Updates = 0
    """Updates over which the rate rises linearly to its peak."""


class InverseSquareRoot(Section):
    """After the warm-up the rate falls with the inverse square root of the step."""

    kind: Literal["inverse_square_root"] = "inverse_square_root"
    """The kind of schedule."""
    warmup: Count = 4000
    """Updates over which the rate rises linearly to its peak."""


class Noam(Section):
    """Vaswani et al. 2017, equation 3: the base rate is a factor on it, usually 1 or 2."""

    kind: Literal["noam"] = "noam"
    """The kind of schedule."""
    warmup: Count = 4000
    """Updates over which the rate rises."""
    size: Size
    """The model's width in the equation."""


class Cosine(Section):
    """After the warm-up the rate falls along half a cosine."""

    kind: Literal["cosine"] = "cosine"
    """The kind of schedule."""
    warmup: Updates = 0
    """Updates over which the rate rises linearly to its peak."""
    steps: Count | None = None
    """Update at which the lowest rate is reached; by default `max_steps`."""
    lowest: Share = 0.0
    """The lowest rate, as a share of the learning rate."""

    @model_validator(mode="after")
    def _falls_after_the_warm_up(self) -> Cosine:
        if self.steps is not None and self.steps <= self.warmup:
            raise ValueError(
                f"steps {self.steps} is not more than warmup {self.warmup}, so the rate would be at its lowest when "
                "the warm-up ends; raise steps or lower warmup"
            )
        return self


class Plateau(Section):
    """The rate is reduced whenever validation has stopped improving."""

    kind: Literal["plateau"] = "plateau"
    """The kind of schedule."""
    warmup: Updates = 0
    """Updates over which the rate rises linearly to its peak."""
    factor: float = Field(default=0.5, ge=0.001, lt=1)
    """Factor applied to the rate."""
    patience: Count = 2
    """Number of validations without improvement before the rate is reduced."""


class Validation(Section):
    """What is measured on the dev set during training; each task has its own metrics."""

    metric: str
    """What selects checkpoints and stops early."""


class EarlyStopping(Section):
    """Stops training when the dev set has stopped improving."""

    patience: Count = 5
    """Number of validations in a row without a new best."""
    minimum_improvement: float = Field(default=0.0, ge=0, le=1e6)
    """How much better than the best so far a validation must be to count, in units of the metric."""


class Training(Section):
    """The training loop; each task adds how its batches are formed."""

    seed: Seed = 1
    """Seed for weights, dropout and the order of batches."""
    accumulate: Count = 1
    """Batches per update, each weighted by the number of terms in its loss, such as real target tokens."""
    max_steps: Annotated[Count | None, MAY_CHANGE] = None
    """Stop after this many updates."""
    max_epochs: Annotated[Count | None, MAY_CHANGE] = None
    """Stop after this many passes over the data."""
    max_minutes: Annotated[float | None, MAY_CHANGE] = Field(default=None, ge=0.001, le=1e7)
    """Stop after this many minutes of training, including validation and earlier parts of a resumed run."""
    optimizer: Annotated[Adam | AdamW | SGD, Field(discriminator="kind")] = Adam()
    """The optimiser."""
    learning_rate: LearningRate = 1e-3
    """Peak learning rate, which `schedule` scales."""
    schedule: Annotated[Constant | InverseSquareRoot | Noam | Cosine | Plateau, Field(discriminator="kind")] = (
        Constant()
    )
    """Schedule of the learning rate."""
    clip_norm: float | None = Field(default=5.0, ge=1e-6, le=1e6)
    """Gradients with a larger norm are scaled down to this norm; `null` for no limit."""
    precision: Literal["fp32", "tf32", "bf16", "auto"] = "fp32"
    """Precision of matrix products: single, TensorFloat-32 (CUDA), or bfloat16 with weights kept in single precision.
    `auto` is bfloat16 where the device supports it natively and single precision elsewhere; the run records the
    choice. On CUDA recurrent layers that read a whole sequence at once use TensorFloat-32 in place of bfloat16."""
    validate_every: Count = 1000
    """Updates between validations; there is always one at the end of training."""
    validation: Validation
    """Settings of the validation."""
    checkpoint_every: Annotated[Count, MAY_CHANGE] = 1000
    """Updates between saves of the training state, from which `--resume` continues. Every validation saves it too."""
    keep_best: Annotated[Count, MAY_CHANGE] = 1
    """How many of the best checkpoints to keep."""
    average_best: Annotated[bool, MAY_CHANGE] = False
    """At the end, average the kept checkpoints, and use the average if it does better on the dev set."""
    early_stopping: Annotated[EarlyStopping | None, MAY_CHANGE] = None
    """Stop training when the dev set has stopped improving; off by default."""
    log_every: Annotated[Count, MAY_CHANGE] = 50
    """Updates between records in `log.jsonl`."""
    tensorboard: Annotated[bool, MAY_CHANGE] = False
    """Also write TensorBoard events into the run folder (requires the extra `tensorboard`)."""

    @model_validator(mode="after")
    def _ends(self) -> Training:
        if self.max_steps is None and self.max_epochs is None and self.max_minutes is None:
            raise ValueError("has no end; set at least one of max_steps, max_epochs and max_minutes")
        if isinstance(self.schedule, Cosine) and self.schedule.steps is None and self.max_steps is None:
            raise ValueError(
                "schedule: cosine needs steps (or training.max_steps), the update at which the rate is lowest"
            )
        return self

"""What the training of a captioner minimises."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import model_validator

from attncli.config.section import Section
from attncli.config.training import Count


class CrossEntropy(Section):
    """The cross-entropy of the training captions."""

    loss: ClassVar[str] = "nats a token"
    kind: Literal["cross_entropy"] = "cross_entropy"
    """The kind of objective."""


class SelfCritical(Section):
    """The CIDEr of captions that the model draws itself, after cross-entropy (Rennie et al. 2017).

    An epoch is a pass over pictures, and `loss` in the log, of training and dev set alike, is minus the mean CIDEr-D of
    drawn captions, with document frequencies of the training captions.
    """

    loss: ClassVar[str] = "minus CIDEr of drawn captions"
    kind: Literal["self_critical"] = "self_critical"
    """The kind of objective."""
    start_from: str
    """Folder of the run whose best weights and tokenizer training begins with; it has the same `model`, but for
    `dropout`, `doubly_stochastic` and what of the encoder is trained further. Once the first checkpoint is saved it is
    needed no more."""
    samples: Count = 5
    """Captions that are drawn for each picture of a batch."""
    baseline: Literal["others", "greedy"] = "others"
    """What the reward of a drawn caption is held against: the mean of the picture's others (`others`), or the reward of
    the greedy caption (`greedy`, as in the paper)."""

    @model_validator(mode="after")
    def _others(self) -> SelfCritical:
        if self.baseline == "others" and self.samples < 2:
            raise ValueError("baseline: others is the mean of a picture's other captions, so samples must be 2 or more")
        return self


Objective = CrossEntropy | SelfCritical

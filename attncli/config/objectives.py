"""What the training of a task that writes minimises."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from attncli.config.section import Section
from attncli.config.training import Count


class CrossEntropy(Section):
    """The cross-entropy of the training targets."""

    kind: Literal["cross_entropy"] = "cross_entropy"
    """The kind of objective."""

    @property
    def loss(self) -> str:
        """What the loss counts."""
        return "nats a token"


class SelfCritical(Section):
    """A reward of targets that the model draws itself, after cross-entropy (Rennie et al. 2017).

    An epoch is a pass over sources, and `loss` in the log, of training and dev set alike, is minus the mean reward of
    drawn targets.
    """

    kind: Literal["self_critical"] = "self_critical"
    """The kind of objective."""
    start_from: str
    """Folder of the run whose best weights and tokenizer training begins with; it has the same `model`, but for
    `dropout`, `doubly_stochastic` and what of the encoder is trained further. Once the first checkpoint is saved it is
    needed no more."""
    reward: Literal["cider", "gleu"] = "cider"
    """What is rewarded: CIDEr-D with document frequencies of the training targets, made for captions with several
    references, or GLEU (Wu et al. 2016, 8.1), made for single sentences of translation."""
    samples: Count = 5
    """Targets that are drawn for each source of a batch."""
    baseline: Literal["others", "greedy"] = "others"
    """What the reward of a drawn target is held against: the mean of the source's others (`others`), or the reward of
    the greedy target (`greedy`, as in the paper)."""

    @property
    def loss(self) -> str:
        """What the loss counts."""
        return f"minus {'CIDEr' if self.reward == 'cider' else 'GLEU'} of drawn targets"

    @model_validator(mode="after")
    def _others(self) -> SelfCritical:
        if self.baseline == "others" and self.samples < 2:
            raise ValueError("baseline: others is the mean of a source's other targets, so samples must be 2 or more")
        return self


Objective = CrossEntropy | SelfCritical

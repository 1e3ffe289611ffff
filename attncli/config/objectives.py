"""Objectives of training for tasks that write text."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from attncli.config.quantities import BeamSize
from attncli.config.section import Section

RewardName = Literal["cider", "gleu", "rougeL"]
_SHOWN: dict[str, str] = {"cider": "CIDEr", "gleu": "GLEU", "rougeL": "ROUGE-L"}


class CrossEntropy(Section):
    """The cross-entropy of the training targets."""

    kind: Literal["cross_entropy"] = "cross_entropy"
    """The kind of objective."""

    @property
    def loss(self) -> str:
        """Unit of the loss."""
        return "nats a token"


class SelfCritical(Section):
    """A reward of targets sampled from the model, after training with cross-entropy (Rennie et al. 2017), from whose
    run `training.start_from` takes the weights.

    An epoch is a pass over sources, and `loss` in the log, for training and dev set alike, is minus the mean reward of
    sampled targets.
    """

    kind: Literal["self_critical"] = "self_critical"
    """The kind of objective."""
    reward: RewardName = "cider"
    """The reward: CIDEr-D with document frequencies of the training targets (`cider`), designed for captions with
    several references; GLEU (Wu et al. 2016, 8.1; `gleu`), designed for single sentences of translation; or the F1 of
    ROUGE-L (`rougeL`), for summaries (Paulus et al. 2018)."""
    samples: BeamSize = 5
    """Targets sampled for each source of a batch."""
    baseline: Literal["others", "greedy"] = "others"
    """Baseline for the reward of a sampled target: the mean of the source's other samples (`others`), or the reward of
    the greedy target (`greedy`, as in the paper)."""

    @property
    def loss(self) -> str:
        """Unit of the loss."""
        return f"minus {_SHOWN[self.reward]} of drawn targets"

    @model_validator(mode="after")
    def _others(self) -> SelfCritical:
        if self.baseline == "others" and self.samples < 2:
            raise ValueError("baseline: others is the mean of a source's other samples, so samples must be 2 or more")
        return self


Objective = CrossEntropy | SelfCritical

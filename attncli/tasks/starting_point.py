"""Where training starts from the weights of another run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from attncli.config.attention import Attention
from attncli.config.differences import Difference, differences
from attncli.config.writing import WritingConfig
from attncli.errors import ConfigError, RunError
from attncli.models.history import HistoryScore
from attncli.runs.folder import WEIGHTS, RunFolder
from attncli.runs.weights import Weights, put_weights

# Keys of `model` that may differ from the run it starts from: they say how weights are learned, not what they are.
FREE = (
    "attention.coverage_loss",
    "ctc.weight",
    "decoder.doubly_stochastic",
    "dropout",
    "encoder.fine_tune_from",
    "encoder.learning_rate_factor",
    "encoder.weights",
    "initial_weights",
)
_KEY = "training.start_from"


@dataclass(frozen=True)
class StartingPoint:
    """A checkpoint of a run."""

    folder: Path
    checkpoint: str

    def put_weights(self, model: nn.Module) -> None:
        """Copy the weights into `model`; raises a RunError if they do not fit.

        A model that is to keep count of its coverage from now on begins without heeding it.
        """
        run = RunFolder(self.folder)
        weights = {**_unheeded(model), **run.load_weights(self.checkpoint)}
        put_weights(model, weights, where=str(run.checkpoint(self.checkpoint)))

    @property
    def facts(self) -> dict[str, Any]:
        """What metadata say of it."""
        facts = RunFolder(self.folder).checkpoint_facts(self.checkpoint)
        return {
            "folder": str(self.folder),
            "checkpoint": self.checkpoint,
            "step": facts.step,
            "sha256": facts.sha256.get(WEIGHTS),
        }


def starting_point(config: WritingConfig, run: Path | None) -> StartingPoint | None:
    """Return where `config` starts from: the best checkpoint of another run, or the last of `run` once it has one.

    None means fresh weights. Raises a ConfigError where the other folder is not a run, or its tokenizers or model
    differ.
    """
    if config.training.start_from is None:
        return None
    if run is not None and RunFolder(run).has_checkpoint("last"):
        # Before anything else reads the model, such as a fixed network whose features are stored.
        return StartingPoint(run, "last")
    folder = Path(config.training.start_from)
    other = RunFolder(folder)
    try:
        other.check()
        found = other.config()
        other.checkpoint("best")
    except RunError as error:
        raise ConfigError([f"{_KEY}: {error}"]) from None
    if found.task != config.task or not isinstance(found, WritingConfig):
        raise ConfigError([f"{_KEY}: {folder} is a run of task {found.task}; name one of task {config.task}"])
    if found_differences := list(_differences(found, config)):
        free = ", ".join(f"model.{key}" for key in FREE)
        raise ConfigError(
            [
                f"{_KEY}: {folder} has another tokenizer or model, so its weights do not fit:",
                *(f"  {difference.said('there', 'here')}" for difference in found_differences),
                f"give what it was trained with; only {free} may differ",
            ]
        )
    return StartingPoint(folder, "best")


def _unheeded(model: nn.Module) -> Weights:
    """Return the weights by which scores of `model` differ from those that do not see earlier weights, all 0."""
    scores = [(name, each) for name, each in model.named_modules() if isinstance(each, HistoryScore)]
    found = {}
    for name, score in scores:
        if score.filters is None:
            found[f"{name}.history.weight"] = torch.zeros_like(score.history.weight)
            found[f"{name}.memory.bias"] = torch.zeros_like(score.memory.bias)
    return found


def _differences(before: WritingConfig, after: WritingConfig) -> Iterator[Difference]:
    attention = getattr(after.model, "attention", "none")
    # Summaries are learned without coverage first (See et al. 2017, section 4). With filters it is not a layer apart.
    may_cover = isinstance(attention, Attention) and attention.coverage and not attention.location_aware
    free = (*FREE, "attention.coverage") if may_cover else FREE
    for section in ("tokenizer", "model"):
        there, here = (getattr(config, section).model_dump(mode="json") for config in (before, after))
        for difference in differences(there, here, section):
            if not any(f"{difference.key}.".startswith(f"model.{key}.") for key in free):
                yield difference

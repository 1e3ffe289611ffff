"""Where training starts from the weights of another run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from attncli.config.differences import differing
from attncli.config.objectives import SelfCritical
from attncli.config.writing import WritingConfig
from attncli.errors import ConfigError, RunError
from attncli.runs.folder import RunFolder
from attncli.runs.weights import put_weights

# Keys of `model` that may differ from the run it starts from: they say how weights are learned, not what they are.
FREE = (
    "dropout",
    "decoder.doubly_stochastic",
    "encoder.fine_tune_from",
    "encoder.learning_rate_factor",
    "encoder.weights",
)
_KEY = "training.objective.start_from"
_SHOWN = 3  # keys that differ


@dataclass(frozen=True)
class StartingPoint:
    """A checkpoint of a run."""

    folder: Path
    checkpoint: str

    def put_weights(self, model: nn.Module) -> None:
        """Copy the weights into `model`; raises a RunError if they do not fit."""
        run = RunFolder(self.folder)
        put_weights(model, run.load_weights(self.checkpoint), where=str(run.checkpoint(self.checkpoint)))


def starting_point(config: WritingConfig, run: Path | None) -> StartingPoint | None:
    """Return where `config` starts from: the best checkpoint of another run, or the last of `run` once it has one.

    None means fresh weights. Raises a ConfigError where the other folder is not a run, or its model differs.
    """
    objective = config.training.objective
    if not isinstance(objective, SelfCritical):
        return None
    if run is not None and RunFolder(run).has_checkpoint("last"):
        return StartingPoint(run, "last")
    folder = Path(objective.start_from)
    other = RunFolder(folder)
    try:
        other.check()
        found = other.config()
        other.checkpoint("best")
    except RunError as error:
        raise ConfigError([f"{_KEY}: {error}"]) from None
    if found.task != config.task or not isinstance(found, WritingConfig):
        raise ConfigError([f"{_KEY}: {folder} is a run of task {found.task}; name one of task {config.task}"])
    if problems := list(_differences(found, config)):
        more = f", and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        free = ", ".join(f"model.{key}" for key in FREE)
        raise ConfigError(
            [
                f"{_KEY}: {folder} was trained with another model: {'; '.join(problems[:_SHOWN])}{more}; give the same "
                f"(only {free} may change)"
            ]
        )
    return StartingPoint(folder, "best")


def _differences(before: WritingConfig, after: WritingConfig) -> Iterator[str]:
    for section in ("tokenizer", "model"):
        old, new = (getattr(config, section).model_dump() for config in (before, after))
        for key, (found, wanted) in differing(old, new, section).items():
            if not any(f"{key}.".startswith(f"model.{free}.") for free in FREE):
                yield f"{key} {found!r}, here {wanted!r}"

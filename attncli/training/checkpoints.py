"""What is saved when, so that a run killed at any moment can be resumed.

Training resumes from `last`. Everything else (kept checkpoints, `best`) is written before it, and what is no longer
needed is removed after it, so that the checkpoints which the history of `last` refers to always exist.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from attncli.errors import RunError
from attncli.runs.facts import write_checkpoint_facts
from attncli.runs.folder import FACTS, STATE, WEIGHTS, RunFolder
from attncli.runs.log import read_records
from attncli.runs.saving import remove, remove_leftovers, replace_folder
from attncli.runs.weights import Weights, average_weights, write_weights
from attncli.training.history import Validation
from attncli.training.state import SavedState, TrainingState, read_state, write_state


class Checkpoints:
    """The checkpoints of a run."""

    def __init__(self, run: RunFolder):
        self.run = run
        self._folder = run.path / "checkpoints"

    def keep(self, validation: Validation, weights: Mapping[str, Tensor]) -> None:
        """Save the `weights` that `validation` measured."""
        self._write(self._kept(validation), weights, _facts(validation))

    def is_kept(self, validation: Validation) -> bool:
        """Tell whether the weights of `validation` are still kept."""
        return self.run.has_checkpoint(self._kept_name(validation))

    def make_best(self, validation: Validation) -> None:
        """Make `best` the checkpoint that was kept at `validation`."""
        kept = self._kept(validation)

        def link(folder: Path) -> None:
            for name in (WEIGHTS, FACTS):
                _link(kept / name, folder / name)

        replace_folder(self._folder / "best", link)
        self._tell_best(validation)

    def make_average_best(self, validation: Validation, weights: Mapping[str, Tensor], steps: Sequence[int]) -> None:
        """Make `best` of `weights`, the average of those at `steps`, with the scores of `validation`."""
        self._write(self._folder / "best", weights, {**_facts(validation), "average_of_steps": list(steps)})
        self._tell_best(validation)

    def _tell_best(self, validation: Validation) -> None:
        self.run.update_metadata({"step": validation.step, "scores": validation.scores})

    def restore_best(self, validation: Validation) -> None:
        """Make `best` the checkpoint of `validation` again, where a killed process got further than `last`."""
        try:
            found = self.run.checkpoint_facts("best")
        except RunError:
            found = None
        if found is not None and found.step == validation.step and not found.average_of_steps:
            self._tell_best(validation)
        elif self.is_kept(validation):
            self.make_best(validation)

    def average(self, validations: Sequence[Validation]) -> Weights:
        """Return the mean of the weights kept at `validations`."""
        return average_weights(self.run.load_weights(self._kept_name(validation)) for validation in validations)

    def save_last(
        self,
        weights: Mapping[str, Tensor],
        state: TrainingState,
        *,
        optimizer: Optimizer,
        random: Mapping[str, Tensor],
        log_size: int,
    ) -> None:
        """Save everything that training resumes from."""

        def write(folder: Path) -> None:
            write_weights(weights, folder / WEIGHTS)
            write_state(folder / STATE, state, optimizer=optimizer, random=random, log_size=log_size)
            write_checkpoint_facts({"step": state.step, "epoch": state.epoch}, folder / FACTS)

        replace_folder(self._folder / "last", write)

    def read_last(self) -> SavedState | None:
        """Return what training resumes from, or None if nothing was saved yet.

        Raises a RunError where a file of it, or the log up to it, is not what was saved.
        """
        if not self.run.has_checkpoint("last"):
            # The first `last` is saved before every other checkpoint, so these are of a run that had one.
            if others := self.run.checkpoints():
                raise RunError(
                    f"{self.run.path}: cannot be resumed: checkpoints/last, which training continues from, is missing "
                    f"or not whole; found {', '.join(others)}; restore it, or train again with --overwrite"
                )
            return None
        path = self.run.saved_file("last", STATE)
        saved, step = read_state(path), self.run.checkpoint_facts("last").step
        if saved.training.step != step:
            raise RunError(
                f"{path.parent}: cannot be resumed: the training state is of step {saved.training.step}, the weights "
                f"are of step {step}; restore the files of one step, or train again with --overwrite"
            )
        if self.run.log_path.exists():
            for _ in read_records(self.run.path, size=saved.log_size):
                pass
        return saved

    def remove_all_but(self, validations: Sequence[Validation]) -> None:
        """Remove kept checkpoints other than those of `validations`, and what a killed process was writing."""
        wanted = {self._kept(validation).name for validation in validations}
        remove_leftovers(self._folder)
        remove_leftovers(self._folder / "kept")
        for path in (self._folder / "kept").glob("step-*"):
            if path.name not in wanted:
                remove(path)

    def _kept(self, validation: Validation) -> Path:
        return self._folder / self._kept_name(validation)

    @staticmethod
    def _kept_name(validation: Validation) -> str:
        return f"kept/step-{validation.step:08d}"

    def _write(self, folder: Path, weights: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        def write(new: Path) -> None:
            write_weights(weights, new / WEIGHTS)
            write_checkpoint_facts(facts, new / FACTS)

        replace_folder(folder, write)


def _facts(validation: Validation) -> dict[str, Any]:
    return {"step": validation.step, "epoch": validation.epoch, "scores": validation.scores}


def _link(source: Path, target: Path) -> None:
    """Give `source` a second name, or copy it where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)

"""Starts, resumes and tries out the training of a configuration."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from pydantic import BaseModel, ValidationError

from attncli.config.differences import differing
from attncli.config.dump import to_yaml
from attncli.config.load import Config
from attncli.config.tasks.autoencoding import AutoencodingConfig
from attncli.config.training import Cosine
from attncli.errors import ConfigError, RunError, TrainingError
from attncli.machine.device import arithmetic, peak_memory, resolve_precision, wait_for
from attncli.runs.folder import RunFolder
from attncli.runs.log import read_records
from attncli.runs.parts import begun_part
from attncli.tasks.autoencoding import open_autoencoding
from attncli.tasks.fingerprints import changed_data
from attncli.tasks.writing import open_writing
from attncli.training.log import check_tensorboard
from attncli.training.task import Task
from attncli.training.updates import NotFiniteError, Updater

Tell = Callable[[str], None]  # shows a line to the user

# Keys, with all below them, that may change when a run is resumed: when it ends, what it reports, what it never reads.
MOVABLE = (
    "data.cache",
    "data.root",
    "data.test",
    "evaluation",
    "training.log_every",
    "training.max_epochs",
    "training.max_minutes",
    "training.max_steps",
)
_SHOWN = 10  # places of data that have changed


class End(BaseModel):
    """The log's record of the end of a run."""

    event: Literal["end"]
    reason: str
    step: int
    best_scores: dict[str, float]


class LaunchedTask(Task, Protocol):
    """A task with its data, ready for a run."""

    @property
    def notes(self) -> Sequence[str]:
        """What a user should know about the data, one line each."""

    @property
    def examples(self) -> str:
        """The number of training examples, such as "29,000 training pairs"."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What metadata.json holds beyond what it holds for every run."""

    @property
    def fingerprints(self) -> Mapping[str, str]:
        """What the data are known by, by their places."""

    def save(self, folder: Path) -> None:
        """Write into the run `folder` what a trained model needs besides its weights, unless it is there already."""

    def largest_batch(self) -> tuple[Any, str]:
        """Return the batch of the first epoch that needs most memory, and its size in words."""


def open_task(config: Config, device: torch.device, run: Path | None) -> LaunchedTask:
    """Return the task of `config` with a freshly initialised model; `run` is the run to resume, if there is one."""
    if isinstance(config, AutoencodingConfig):
        return open_autoencoding(config, device, run)
    return open_writing(config, device, run)


def settled(config: Config, device: torch.device) -> Config:
    """Return `config` with every setting that depends on `device` resolved, so that a run records what it used."""
    precision = resolve_precision(config.training.precision, device)
    return config.model_copy(update={"training": config.training.model_copy(update={"precision": precision})})


@contextmanager
def begun_run(
    config: Config, run: RunFolder, device: torch.device, *, overwrite: bool, tell: Tell
) -> Iterator[LaunchedTask]:
    """Yield the task of a new run in the folder `run`, which then holds everything but checkpoints, and is locked.

    The folder appears only once the task is open, so that a failed start leaves none.
    """
    run.check_free(overwrite=overwrite)
    _check_extras(config)
    part = begun_part(device)
    with ExitStack() as contexts:
        replaces = run.exists()
        if replaces:
            contexts.enter_context(run.locked())
        task = open_task(config, device, None)
        facts = {**task.metadata, "data": task.fingerprints}
        run.create(to_yaml(config), overwrite=overwrite, facts=facts, save=task.save)
        if not replaces:
            contexts.enter_context(run.locked())
        contexts.enter_context(run.trained(part))
        yield _introduced(task, tell)


@contextmanager
def resumed_run(config: Config, run: RunFolder, device: torch.device, *, tell: Tell) -> Iterator[LaunchedTask]:
    """Yield the task of the run in the folder `run`, locked; `config` may differ from its configuration in MOVABLE.

    Raises a ConfigError that names every other key that differs, and a RunError that names data that have changed.
    """
    run.check()
    run.check_own_links()
    _check_extras(config)
    part = begun_part(device)
    with run.locked():
        problems = list(_changes(run.config(), config))
        if problems:
            raise ConfigError([f"{run.path}: {problem}" for problem in problems])
        task = open_task(config, device, run.path)
        if changed := changed_data(run.facts().data, task.fingerprints):
            more = f", and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
            raise RunError(
                f"{run.path}: cannot be resumed, its data have changed since it was started: "
                f"{', '.join(changed[:_SHOWN])}{more}; restore them, or start a new run"
            )
        # Runs of earlier versions may have been killed before they were written.
        task.save(run.path)
        run.rewrite_config(to_yaml(config))
        run.update_metadata({**task.metadata, "data": task.fingerprints})
        with run.trained(part):
            yield _introduced(task, tell)


def _check_extras(config: Config) -> None:
    """Raise a CommandError for a missing package that training would ask for only after it has made its folder."""
    if config.training.tensorboard:
        check_tensorboard()


def ending(config: Config, run: RunFolder) -> End | None:
    """Return the log's record of how the run in the folder `run` ended, or None where `config` asks for more."""
    run.check()
    if run.config() != config or not run.has_checkpoint("best"):
        return None
    records = list(read_records(run.path)) if run.log_path.exists() else []
    try:
        return End.model_validate(records[-1])
    except (IndexError, ValidationError):  # another event, or a damaged record: training goes on and ends again
        return None


def _changes(before: Config, after: Config) -> Iterator[str]:
    """Yield the reasons why a run that was started with `before` cannot be resumed with `after`."""
    for key, (found, wanted) in differing(before.model_dump(), after.model_dump()).items():
        if not any(f"{key}.".startswith(f"{movable}.") for movable in MOVABLE):
            yield (
                f"was started with another {key}: {found!r}, now {wanted!r}; to go on, give what it was started with "
                f"(only {', '.join(MOVABLE)} may change)"
            )
    schedule, steps = before.training.schedule, before.training.max_steps
    if isinstance(schedule, Cosine) and schedule.steps is None and steps != after.training.max_steps:
        yield (
            f"training.max_steps: was {steps}, where schedule: cosine ends, so that another one would change the "
            "learning rates; give the same, or start a run with training.schedule.steps"
        )


def _introduced(task: LaunchedTask, tell: Tell) -> LaunchedTask:
    for note in task.notes:
        tell(note)
    parameters = sum(parameter.numel() for parameter in task.model.parameters())
    tell(f"{parameters:,} parameters; {task.examples}")
    return task


def try_out(config: Config, device: torch.device, *, tell: Tell) -> str:
    """Update the weights once, on the largest batch of the first epoch; return its time and memory in words."""
    task = _introduced(open_task(config, device, None), tell)
    largest, what = task.largest_batch()
    updater = Updater(task, config.training, device)
    wait_for(device)
    started = time.perf_counter()
    try:
        with arithmetic(config.training.precision, device):
            update = updater.update([largest], config.training.learning_rate)
    except NotFiniteError as error:
        raise TrainingError(f"the largest batch ({what}): {error}") from None
    wait_for(device)
    seconds = time.perf_counter() - started
    place = "" if device.type == "cpu" else f" on {device}"
    return (
        f"{len(task.epoch(1))} batches an epoch; the largest ({what}) took {seconds:.2f} s; loss "
        f"{update.reported_loss / update.terms:.3g}; peak memory {peak_memory(device) / 2**20:,.0f} MiB{place}"
    )

"""Starts, resumes and tries out the training of a configuration."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from pydantic import BaseModel, ValidationError

from attncli.config.differences import Difference, differences
from attncli.config.dump import to_yaml
from attncli.config.load import Config
from attncli.config.resuming import exception, is_movable, movable_keys
from attncli.config.tasks.autoencoding import AutoencodingConfig
from attncli.errors import ConfigError, RunError, TrainingError
from attncli.machine.device import arithmetic, peak_memory, resolve_precision, wait_for
from attncli.machine.processes import ALONE, Processes
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
def opened_run(
    config: Config,
    run: RunFolder,
    device: torch.device,
    *,
    resume: bool,
    overwrite: bool,
    tell: Tell,
    processes: Processes = ALONE,
) -> Iterator[LaunchedTask]:
    """Yield the task of the run in the folder `run`, which the first of `processes` begins, or resumes, for all."""
    if not processes.is_first:
        processes.wait()
        yield open_task(config, device, run.path)
        return
    opened = (
        resumed_run(config, run, device, tell=tell, processes=processes)
        if resume
        else begun_run(config, run, device, overwrite=overwrite, tell=tell, processes=processes)
    )
    with opened as task:
        # The others find the folder with its tokenizers, and the caches filled.
        processes.wait()
        yield task


@contextmanager
def begun_run(
    config: Config,
    run: RunFolder,
    device: torch.device,
    *,
    overwrite: bool,
    tell: Tell,
    processes: Processes = ALONE,
) -> Iterator[LaunchedTask]:
    """Yield the task of a new run in the folder `run`, which then holds everything but checkpoints, and is locked.

    The folder appears only once the task is open, so that a failed start leaves none.
    """
    run.check_free(overwrite=overwrite)
    check_extras(config)
    part = begun_part(device, processes.count)
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
def resumed_run(
    config: Config, run: RunFolder, device: torch.device, *, tell: Tell, processes: Processes = ALONE
) -> Iterator[LaunchedTask]:
    """Yield the task of the run in the folder `run`, locked, whose configuration becomes `config`.

    Raises a ConfigError that names every key that differs and may not, and a RunError that names data that have
    changed.
    """
    run.check()
    run.check_own_links()
    check_extras(config)
    part = begun_part(device, processes.count)
    with run.locked():
        check_unchanged(config, run)
        moved = [change.said("was", "now") for change in changes(config, run)]
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
        if moved:
            tell(f"changed: {'; '.join(moved)}")
        with run.trained(part):
            yield _introduced(task, tell)


def check_extras(config: Config) -> None:
    """Raise a CommandError for a missing package that training would ask for only after it has made its folder."""
    if config.training.tensorboard:
        check_tensorboard()


def check_unchanged(config: Config, run: RunFolder) -> None:
    """Raise a ConfigError that names what keeps the run in the folder `run` from being resumed with `config`."""
    begun, refused = run.config(), []
    for change in changes(config, run):
        reason = exception(change, begun)
        if reason is not None or not is_movable(change.key, begun):
            refused.append(f"  {change.said('was', 'now')}{f'; {reason}' if reason else ''}")
    if refused:
        movable = ", ".join(movable_keys(type(begun)))
        raise ConfigError(
            [
                f"{run.path}: was begun with other settings, and cannot go on with these:",
                *refused,
                f"give what it was begun with, or start a new run; only {movable} may change",
            ]
        )


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


def changes(config: Config, run: RunFolder) -> list[Difference]:
    """Return what `config` changes of the configuration of the run in the folder `run`."""
    return list(differences(run.config().model_dump(mode="json"), config.model_dump(mode="json")))


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

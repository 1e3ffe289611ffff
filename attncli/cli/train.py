"""`attncli train`: one configuration, one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attncli.cli.data import missing_data
from attncli.cli.options import MACHINE, ConfigArgument, Device, Overrides
from attncli.cli.terminal import say, tell, want_notes
from attncli.machine.progress import want_progress

if TYPE_CHECKING:
    import torch

    from attncli.config.load import Config
    from attncli.machine.processes import Processes
    from attncli.runs.folder import RunFolder


def train(
    config: ConfigArgument,
    overrides: Overrides = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where the run is written.", show_default="runs/ and the name of CONFIG"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in the folder.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the folder.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Prepare everything and compute the largest batch, but write no run.")
    ] = False,
    device: Device = "auto",
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes",
            metavar="N",
            min=1,
            help="Train in N processes, each on its part of every batch; on GPUs each has one of its own.",
            show_default="1, or as many as torchrun has started",
            rich_help_panel=MACHINE,
        ),
    ] = None,
) -> None:
    """Train the model that CONFIG describes.

    Example: attncli train toy-translation --set training.max_steps=500 --run runs/first
    """
    from attncli.config.shipped import shipped_file
    from attncli.machine.device import resolve_device
    from attncli.machine.processes import check_devices, joined
    from attncli.machine.started import started_processes
    from attncli.runs.folder import RunFolder
    from attncli.tasks.launch import try_out

    started = started_processes()
    wanted = started if processes is None else processes
    _check_together(resume=resume, overwrite=overwrite, dry_run=dry_run, started=started, wanted=wanted)
    folder = RunFolder(run or Path("runs") / (config if shipped_file(str(config)) else config.stem))
    if started < wanted:
        from attncli.machine.launcher import start_processes

        check_devices(device, wanted)
        _checked(config, overrides, folder, resolve_device(device), resume=resume)  # so that mistakes are told at once
        raise typer.Exit(start_processes(wanted))
    with joined(device) as (together, where):
        if not together.is_first:
            want_notes(False)
            want_progress(False)
        checked = _checked(config, overrides, folder, where, resume=resume)
        if not dry_run:
            train_run(checked, folder, where, resume=resume, overwrite=overwrite, processes=together)
            return
        if run or overwrite:
            folder.check_free(overwrite=overwrite)
        say(try_out(checked, where, tell=tell))


def _check_together(*, resume: bool, overwrite: bool, dry_run: bool, started: int, wanted: int) -> None:
    """Raise a CommandError for options that contradict each other, or what a launcher has started."""
    from attncli.errors import CommandError

    if resume and overwrite:
        raise CommandError("--resume continues a run and --overwrite replaces it; give only one of them")
    if resume and dry_run:
        raise CommandError("--dry-run tries how a training begins, so --resume means nothing; give only one of them")
    if dry_run and wanted > 1:
        raise CommandError(f"--dry-run computes in one process, not in {wanted}; leave --processes out")
    if started not in (1, wanted):
        raise CommandError(f"--processes {wanted}: a launcher has started {started}; leave --processes out")


def _checked(
    path: Path, overrides: Sequence[str] | None, run: RunFolder, device: torch.device, *, resume: bool
) -> Config:
    """Return the configuration at `path`, which can be trained on `device` with the data that are there."""
    from attncli.config.formats import FORMAT
    from attncli.config.load import read_config
    from attncli.errors import DataError
    from attncli.machine.device import check_precision
    from attncli.tasks.launch import settled

    config = read_config(path, overrides or (), format=run.config_format() if resume else FORMAT)
    config = settled(config, device)
    check_precision(config.training.precision, device)  # before anything is written
    if not Path(config.data.root).is_dir():
        raise DataError(*(f"{path}: {problem}" for problem in missing_data(config)))
    return config


def train_run(
    config: Config,
    run: RunFolder,
    device: torch.device,
    *,
    resume: bool,
    overwrite: bool = False,
    processes: Processes | None = None,
) -> None:
    """Train what `config` says, in the folder `run`, and say how it ended; a run that has ended is left alone.

    Each of several `processes` calls this; None stands for this one alone.
    """
    from attncli.machine.processes import ALONE
    from attncli.tasks.launch import changes, ending, opened_run
    from attncli.training.trainer import train as train_task

    processes = processes or ALONE
    if ended := processes.from_first(lambda: ending(config, run) if resume else None):
        if processes.is_first:
            say(_ending(run.path, ended.reason, f"{ended.step} already", ended.best_scores))
        return
    changed = {each.key: each.values for each in changes(config, run)} if resume and processes.is_first else {}
    with opened_run(config, run, device, resume=resume, overwrite=overwrite, tell=tell, processes=processes) as task:
        outcome = train_task(
            task, config.training, run, device=device, resume=resume, changed=changed, processes=processes
        )
    if processes.is_first:
        say(_ending(run.path, outcome.reason, str(outcome.step), outcome.best.scores))


def _ending(folder: Path, reason: str, step: str, best_scores: Mapping[str, float]) -> str:
    scores = ", ".join(f"{name} {score:.4g}" for name, score in best_scores.items())
    return f"{folder}: ended by {reason} at step {step}, best on dev: {scores}"

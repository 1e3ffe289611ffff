"""`attncli train`: one configuration, one run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attncli.cli.data import missing_data
from attncli.cli.options import ConfigArgument, Device, Overrides
from attncli.cli.terminal import say, tell

if TYPE_CHECKING:
    import torch

    from attncli.config.load import Config
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
) -> None:
    """Train the model that CONFIG describes.

    Example: attncli train toy-translation --set training.max_steps=500 --run runs/first
    """
    from attncli.config.formats import FORMAT
    from attncli.config.load import read_config
    from attncli.config.shipped import shipped_file
    from attncli.errors import CommandError, DataError
    from attncli.machine.device import check_precision, resolve_device
    from attncli.runs.folder import RunFolder
    from attncli.tasks.launch import settled, try_out

    if resume and overwrite:
        raise CommandError("--resume continues a run and --overwrite replaces it; give only one of them")
    if resume and dry_run:
        raise CommandError("--dry-run tries how a training begins, so --resume means nothing; give only one of them")
    where = resolve_device(device)
    folder = RunFolder(run or Path("runs") / (config if shipped_file(str(config)) else config.stem))
    checked = read_config(config, overrides or (), format=folder.config_format() if resume else FORMAT)
    checked = settled(checked, where)
    check_precision(checked.training.precision, where)  # before anything is written
    if not Path(checked.data.root).is_dir():
        raise DataError(*(f"{config}: {problem}" for problem in missing_data(checked)))
    if dry_run:
        if run or overwrite:
            folder.check_free(overwrite=overwrite)
        say(try_out(checked, where, tell=tell))
    else:
        train_run(checked, folder, where, resume=resume, overwrite=overwrite)


def train_run(config: Config, run: RunFolder, device: torch.device, *, resume: bool, overwrite: bool = False) -> None:
    """Train what `config` says, in the folder `run`, and say how it ended; a run that has ended is left alone."""
    from attncli.tasks.launch import begun_run, changes, ending, resumed_run
    from attncli.training.trainer import train as train_task

    if resume and (ended := ending(config, run)):
        say(_ending(run.path, ended.reason, f"{ended.step} already", ended.best_scores))
        return
    opened = (
        resumed_run(config, run, device, tell=tell)
        if resume
        else begun_run(config, run, device, overwrite=overwrite, tell=tell)
    )
    changed = {each.key: each.values for each in changes(config, run)} if resume else {}
    with opened as task:
        outcome = train_task(task, config.training, run, device=device, resume=resume, changed=changed)
    say(_ending(run.path, outcome.reason, str(outcome.step), outcome.best.scores))


def _ending(folder: Path, reason: str, step: str, best_scores: Mapping[str, float]) -> str:
    scores = ", ".join(f"{name} {score:.4g}" for name, score in best_scores.items())
    return f"{folder}: ended by {reason} at step {step}, best on dev: {scores}"

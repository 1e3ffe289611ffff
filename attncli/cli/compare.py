"""`attncli compare`: trains the variants of a set, one after the other or side by side, and scores all together."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attncli.cli.completion import complete_metric, complete_set
from attncli.cli.data import missing_data
from attncli.cli.options import MACHINE, Device, Overrides
from attncli.cli.tasks import check_meaning, runs_of
from attncli.cli.terminal import tell
from attncli.cli.train import train_run
from attncli.errors import CommandError, ConfigError, DataError, Stopped, counted, unknown
from attncli.machine.started import started_processes

if TYPE_CHECKING:
    import torch

    from attncli.cli.eval_options import EvaluationOptions
    from attncli.config.load import Config
    from attncli.runs.folder import RunFolder

_GOES_ON = ", goes on"


@dataclass(frozen=True)
class _Training:
    """A variant with a seed, and the folder of its run."""

    variant: str
    file: Path  # as the user would name it
    config: Config
    run: RunFolder


def compare(
    given: Annotated[
        Path,
        typer.Argument(
            metavar="SET",
            help="A folder of configurations, or the name of a shipped set (`attncli config new`).",
            show_default=False,
            autocompletion=complete_set,
        ),
    ],
    seeds: Annotated[str, typer.Option(metavar="N,N...", help="Each gives every variant a training.")] = "1",
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="VARIANT", help="Not all, but this one; repeat for more, in the order of the report."),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where the runs go.", show_default="runs/SET"),
    ] = None,
    test: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which test set of the configurations; dev is the dev set.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A score, as in `attncli eval`; repeat for more, the one by length first.",
            autocompletion=complete_metric,
        ),
    ] = None,
    overrides: Overrides = None,
    device: Device = "auto",
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes",
            metavar="N",
            min=1,
            help="Train N at a time, each in a process of one thread; what they say goes to FOLDER/logs.",
            show_default="one after the other, with all threads",
            rich_help_panel=MACHINE,
        ),
    ] = None,
) -> None:
    """Train every variant of SET with every seed, and score all of them together.

    The variant `none`, if there is one, comes first: the others are compared with it. What is trained already is not
    trained again, so the same command goes on where it was stopped. The report is in FOLDER/evaluation.

    Example: attncli compare compare-attention --seeds 1,2,3 --only none --only additive
    """
    from attncli.cli.eval import evaluate
    from attncli.cli.eval_options import EvaluationOptions
    from attncli.machine.device import resolve_device

    if started_processes() > 1:
        raise CommandError(
            f"compare: a launcher has started {started_processes()} processes; start it alone, and give --processes"
        )
    where = resolve_device(device)
    folder = run or Path("runs") / given.resolve().name
    trainings = _planned(_chosen(given, only or ()), _numbers(seeds), overrides or (), folder, where)
    options = EvaluationOptions(
        runs=[training.run.path for training in trainings],
        # With several seeds, runs are grouped by their names without them.
        label=None if "," in seeds else [training.variant for training in trainings],
        test=test,
        metric=metric,
        output=folder / "evaluation",
        device=device,
    )
    _check(trainings, options, where)
    waiting = _waiting(trainings, folder)
    if processes is None:
        _train(waiting, where, folder)
    else:
        _train_side_by_side(waiting, overrides or (), folder, processes=processes, device=device)
    evaluate(**vars(options))


def _chosen(given: Path, only: Sequence[str]) -> list[Path]:
    """Return the files of the variants of the set `given`, all or `only` some, as the user would name them."""
    from attncli.config.shipped import set_folder, variant_files

    names = [path.stem for path in variant_files(set_folder(given))]
    for name in only:
        if name not in names:
            raise CommandError(f"--only: {unknown(f'variant of {given}', name, names)}")
        if only.count(name) > 1:
            raise CommandError(f"--only: {name!r} is given twice")
    suffix = ".yaml" if given.is_dir() else ""
    return [given / f"{name}{suffix}" for name in only or names]


def _numbers(seeds: str) -> list[int]:
    numbers = [part.strip() for part in seeds.split(",")]
    if not all(part.isdecimal() and part.isascii() and len(part) < 20 for part in numbers):
        raise CommandError(f"--seeds {seeds!r}: should be whole numbers with commas between them, such as 1,2,3")
    found = [int(part) for part in numbers]
    if len(set(found)) < len(found):
        raise CommandError(f"--seeds {seeds!r}: has one of them twice, which would be the same training")
    return found


def _planned(
    files: Sequence[Path], seeds: Sequence[int], overrides: Sequence[str], folder: Path, device: torch.device
) -> list[_Training]:
    """Return every variant with every seed; a ConfigError tells what is wrong with any of them."""
    from attncli.config.formats import FORMAT
    from attncli.config.load import read_config
    from attncli.runs.folder import RunFolder
    from attncli.tasks.launch import settled

    if any(override.partition("=")[0].strip() == "training.seed" for override in overrides):
        raise CommandError("--set training.seed: every variant is trained with the same seeds; give --seeds")
    found: list[_Training] = []
    problems: list[str] = []
    for seed in seeds:
        for file in files:
            place = RunFolder(folder / f"{file.stem}-seed-{seed}")
            begun = place.config_format() if place.exists() else FORMAT
            try:
                config = read_config(file, [*overrides, f"training.seed={seed}"], format=begun)
            except ConfigError as error:
                problems += error.problems
            else:
                found.append(_Training(file.stem, file, settled(config, device), place))
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    return found


def _check(trainings: Sequence[_Training], options: EvaluationOptions, device: torch.device) -> None:
    """Raise a UserError for all that would stop a training, or the evaluation, and can be known before the first."""
    from attncli.machine.device import check_precision
    from attncli.tasks.launch import check_extras

    for training in trainings:
        check_precision(training.config.training.precision, device)
        check_extras(training.config)
    _check_evaluation(trainings, options)
    _check_begun(trainings)
    missing: dict[str, Path] = {}  # what is missing -> the first variant that needs it
    for training in trainings:
        for problem in missing_data(training.config):
            missing.setdefault(problem, training.file)
    if missing:
        raise DataError(*(f"{file}: {problem}" for problem, file in missing.items()))


def _check_evaluation(trainings: Sequence[_Training], options: EvaluationOptions) -> None:
    """Raise a CommandError for `options` that do not fit a variant, or variants that cannot be scored together."""
    from attncli.cli.eval_writing import check_choices
    from attncli.evaluation.test_set import chosen_split

    first = trainings[0]
    runs = runs_of(first.config)
    check_meaning(options, runs)
    if runs.family != "autoencoding":
        check_choices(options, runs.config.metrics)
    for training in trainings:
        if training.config.task != first.config.task:
            raise CommandError(
                f"{training.file}: has task {training.config.task}, but {first.file} has {first.config.task}; compare "
                "variants of one task"
            )
        chosen_split(training.config.data, options.test, where=training.file)


def _check_begun(trainings: Sequence[_Training]) -> None:
    """Raise a ConfigError that names every run that cannot go on since its configuration has changed."""
    from attncli.tasks.launch import check_unchanged

    problems: list[str] = []
    for training in trainings:
        if training.run.exists():
            try:
                check_unchanged(training.config, training.run)
            except ConfigError as error:
                problems += error.problems
    if problems:
        raise ConfigError(problems)


def _waiting(trainings: Sequence[_Training], folder: Path) -> dict[str, _Training]:
    """Return what is not trained yet, by its place among all in words, after saying how much is done."""
    from attncli.tasks.launch import ending

    begun = [each for each in trainings if each.run.exists()]
    ended = {each.run.path for each in begun if ending(each.config, each.run)}
    more = f", {len(begun) - len(ended)} begun" if len(begun) > len(ended) else ""
    tell(f"{folder}: {counted(len(trainings), 'training')}, {len(ended)} done{more}")
    waiting = [each for each in trainings if each.run.path not in ended]
    return {
        f"{number} of {len(trainings)}, {each.run.path.name}": each
        for number, each in enumerate(waiting, start=len(ended) + 1)
    }


def _train(waiting: Mapping[str, _Training], device: torch.device, folder: Path) -> None:
    """Train what is `waiting`, one after the other; a Stopped error says how to go on."""
    for place, each in waiting.items():
        is_begun = each.run.exists()
        tell(f"training {place}{_GOES_ON if is_begun else ''}")
        try:
            train_run(each.config, each.run, device, resume=is_begun)
        except Stopped as stop:
            raise Stopped(
                f"{folder}: stopped in training {place}, and saved; the same command goes on with it",
                signal_number=stop.signal_number,
            ) from None
        except KeyboardInterrupt:
            raise Stopped(
                f"{folder}: stopped at the start of training {place}; the same command begins with it",
                signal_number=signal.SIGINT,
            ) from None


def _train_side_by_side(
    waiting: Mapping[str, _Training], overrides: Sequence[str], folder: Path, *, processes: int, device: str
) -> None:
    """Train what is `waiting`, as many at a time as there are `processes`."""
    from attncli.cli.side_by_side import Training, train_side_by_side

    trainings = []
    for place, each in waiting.items():
        is_begun = each.run.exists()
        sets = [*overrides, f"training.seed={each.config.training.seed}"]
        arguments = [
            "train",
            str(each.file),
            *(part for override in sets for part in ("--set", override)),
            *("--run", str(each.run.path)),
            *(["--resume"] if is_begun else []),
        ]
        name = each.run.path.name
        trainings.append(
            Training(name, f"{place}{_GOES_ON if is_begun else ''}", arguments, folder / "logs" / f"{name}.log")
        )
    train_side_by_side(trainings, count=processes, device=device, what=str(folder))

"""What `attncli eval` does alike for all tasks that write text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from attncli.cli.tasks import EvaluationOptions, names_of
from attncli.errors import CommandError, unknown

if TYPE_CHECKING:
    from attncli.evaluation.evaluate import System
    from attncli.evaluation.report import Report
    from attncli.evaluation.test_set import EvaluationSet
    from attncli.runs.run import CaptionRun, Run

AnyRun = TypeVar("AnyRun", "Run", "CaptionRun")


def check_options(options: EvaluationOptions, metrics: Sequence[str]) -> None:
    """Raise a CommandError if a metric is none of `metrics`, or a precision there is not."""
    for name in options.metric:
        check_choice("--metric", name, metrics)
    if options.precision is not None:
        check_choice("--precision", options.precision, ("fp32", "bf16"))


def check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    """Raise a CommandError if the `value` of `option` is none of `choices`."""
    if value not in choices:
        raise CommandError(f"{option}: {unknown('value', value, choices)}")


def check_same_sets(folders: Sequence[Path], sets: Sequence[EvaluationSet], *, otherwise: str = "") -> None:
    """Raise a CommandError if the runs in `folders` have other `sets` than the first; it ends with `otherwise`."""
    for folder, other in zip(folders, sets, strict=True):
        if other != sets[0]:
            raise CommandError(
                f"{folder}: its test set {other.name!r} is not the {sets[0].name!r} of {folders[0]}{otherwise}"
            )


def systems_of_files(files: Sequence[Path], data: EvaluationSet) -> list[System]:
    """Return the lines of `files`, one a sentence of `data`."""
    from attncli.evaluation.evaluate import System
    from attncli.evaluation.test_set import read_aligned

    return [
        System(
            name, read_aligned(path, len(data), beside=f"the test set {data.name}"), details={"hypotheses": str(path)}
        )
        for name, path in zip(names_of(files), files, strict=True)
    ]


def decoded_systems(
    runs: Sequence[AnyRun], decode: Callable[..., System], options: EvaluationOptions, *, doing: str
) -> list[System]:
    """Return what `decode(run, search=, name=, variant=)` makes of each run, with what `options` change of its search.

    `doing` is told on standard error before each.
    """
    from attncli.evaluation.variants import variant_names

    given = {
        "beam_size": options.beam_size,
        "length_penalty": options.length_penalty,
        "batch_size": options.batch_size,
        "precision": options.precision,
    }
    names = names_of([run.folder for run in runs])
    systems = []
    for name, variant, run in zip(names, variant_names(names, [run.config for run in runs]), runs, strict=True):
        typer.echo(f"{name}: {doing}", err=True)
        systems.append(decode(run, search=run.config.search.changed(given), name=name, variant=variant))
    return systems


def write_scores(report: Report, systems: Sequence[System], places: Sequence[Path], output: Path | None) -> None:
    """Print `report` and write it with the hypotheses, into `output` or below each system's place in `places`."""
    from attncli.reports.output import write_hypotheses, write_report
    from attncli.reports.text import terminal_text

    typer.echo(terminal_text(report) + "\n")
    folders = [place / "evaluation" / report.test.replace("/", "_") for place in places]
    if output is not None or len(folders) < len(systems):
        folder = output or folders[0]
        written = [*write_report(report, folder), *write_hypotheses(systems, folder)]
    else:
        written = write_report(report, folders[0])
        for system, found, folder in zip(systems, report.systems, folders, strict=True):
            written += write_hypotheses([system], folder)
            if folder != folders[0]:
                written += write_report(report.of(found), folder)
    for path in written:
        typer.echo(f"wrote {path}")

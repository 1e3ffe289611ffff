"""`attncli eval`: scores of runs or of files, with bounds, by length, and against each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attncli.cli.options import Checkpoint, Device
from attncli.errors import CommandError, unknown

if TYPE_CHECKING:
    from attncli.config.translation import TranslationConfig
    from attncli.evaluation.evaluate import System
    from attncli.evaluation.report import Report
    from attncli.evaluation.test_set import EvaluationSet
    from attncli.run import Run

_METRICS = ("bleu", "chrf", "ter")


def evaluate(
    runs: Annotated[list[Path] | None, typer.Argument(metavar="RUN", help="Folders of trained runs.")] = None,
    test: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which test set of the configuration; with --source, its name in reports."),
    ] = None,
    source: Annotated[Path | None, typer.Option(metavar="FILE", help="Sentences to translate; `.gz` too.")] = None,
    reference: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Translations of --source; again for more references.")
    ] = None,
    hypotheses: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Score these lines, decoding nothing; needs no RUN. Again to compare files."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Where to write.  [default: RUN/evaluation/TEST]"),
    ] = None,
    beam_size: Annotated[int | None, typer.Option(min=1, help="Hypotheses kept a sentence; 1 is greedy.")] = None,
    length_penalty: Annotated[float | None, typer.Option(min=0.0, help="Exponent α of the length penalty.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Sentences decoded together.")] = None,
    precision: Annotated[str | None, typer.Option(metavar="fp32|bf16", help="Arithmetic of the products.")] = None,
    too_long: Annotated[str, typer.Option(metavar="error|cut", help="What to do about too long a source.")] = "error",
    length: Annotated[
        str, typer.Option(metavar="source|reference", help="Whose words BLEU by length counts.")
    ] = "source",
    metric: Annotated[
        list[str] | None,
        typer.Option(metavar="bleu|chrf|ter", help="Which scores beside BLEU; again for more.  [default: all]"),
    ] = None,
    checkpoint: Checkpoint = "best",
    device: Device = "auto",
) -> None:
    """Score RUNs on a test set: BLEU, chrF and TER with 95 % bounds, BLEU by length, and paired tests between runs.

    Writes report.json, report.md, by_length.png and hypotheses.txt. With several RUNs each has its own in
    RUN/evaluation/TEST, and the first one's report is that of all; with --output everything goes there.

    Runs that differ in their seeds alone are taken together: their mean BLEU is reported and compared. Of up to four
    every pair is compared, and of more each with the first.

    Example: attncli eval runs/none runs/additive --test test_2016_flickr

    Example: attncli eval --hypotheses out.en --source test.de --reference test.en --output scores
    """
    _check_choice("--length", length, ("source", "reference"))
    _check_choice("--too-long", too_long, ("error", "cut"))
    if precision is not None:
        _check_choice("--precision", precision, ("fp32", "bf16"))
    for name in metric or ():
        _check_choice("--metric", name, _METRICS)
    folders, files = list(runs or ()), list(hypotheses or ())
    _check_files(folders, files, source, reference)

    from attncli.config.evaluation import Evaluation
    from attncli.evaluation.evaluate import evaluate as score

    configs = [_config(folder) for folder in folders]
    settings = configs[0].evaluation if configs else Evaluation()
    loaded = [] if files else [_load(folder, device, checkpoint) for folder in folders]
    data = _test_set(folders, configs, test, source, reference)
    if files:
        systems = _systems_of_files(files, data)
        places = folders or [Path()]
    else:
        search = {
            "beam_size": beam_size,
            "length_penalty": length_penalty,
            "batch_size": batch_size,
            "precision": precision,
        }
        systems = _decode(loaded, data, search, too_long)
        places = folders
    report = score(data, systems, settings, metrics=metric or _METRICS, length_of=length)  # type: ignore[arg-type]
    _write(report, systems, places, output)


def _check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise CommandError(f"{option}: {unknown('value', value, choices)}")


def _check_files(folders: list[Path], files: list[Path], source: Path | None, reference: list[Path] | None) -> None:
    if (source is None) != (not reference):
        raise CommandError(
            f"{'--reference' if source is None else '--source'} is given without "
            f"{'--source' if source is None else '--reference'}; give both, or --test for a test set of the run"
        )
    if not folders and not files:
        raise CommandError("nothing to score; give at least one RUN, or --hypotheses FILE")
    if not folders and source is None:
        raise CommandError("--hypotheses: without a RUN there is no test set; give --source and --reference")
    if files and len(folders) > 1:
        raise CommandError(
            f"--hypotheses: nothing is decoded, so one RUN at most lends its test sets, but {len(folders)} are given"
        )
    for what, paths in (("RUN", folders), ("--hypotheses", files)):
        twice = [path for number, path in enumerate(paths) if path.resolve() in {p.resolve() for p in paths[:number]}]
        if twice:
            raise CommandError(f"{what}: {twice[0]} is given twice")


def _config(folder: Path) -> TranslationConfig:
    from attncli.config.load import read_config
    from attncli.training.run_folder import RunFolder

    run_folder = RunFolder(folder)
    run_folder.check()
    return read_config(run_folder.config_path)


def _load(folder: Path, device: str, checkpoint: str) -> Run:
    from attncli.run import Run

    return Run.load(folder, device=device, checkpoint=checkpoint)


def _test_set(
    folders: Sequence[Path],
    configs: Sequence[TranslationConfig],
    test: str | None,
    source: Path | None,
    reference: Sequence[Path] | None,
) -> EvaluationSet:
    from attncli.evaluation.test_set import configured_set, set_of_files

    if source is not None:
        return set_of_files(source, reference or (), name=test)
    sets = [configured_set(config, test, where=str(folder)) for folder, config in zip(folders, configs, strict=True)]
    for folder, other in zip(folders, sets, strict=True):
        if other != sets[0]:
            raise CommandError(
                f"{folder}: its test set {other.name!r} is not the {sets[0].name!r} of {folders[0]}; "
                "give the same sentences to all runs with --source and --reference"
            )
    return sets[0]


def _names(paths: Sequence[Path]) -> list[str]:
    """Return the last part of each path, or the whole paths where last parts are the same."""
    names = [path.resolve().name.removesuffix(".gz") for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _systems_of_files(files: Sequence[Path], data: EvaluationSet) -> list[System]:
    from attncli.evaluation.evaluate import System
    from attncli.evaluation.test_set import read_aligned

    return [
        System(
            name, read_aligned(path, len(data), beside=f"the test set {data.name}"), details={"hypotheses": str(path)}
        )
        for name, path in zip(_names(files), files, strict=True)
    ]


def _decode(runs: Sequence[Run], data: EvaluationSet, given: dict[str, Any], too_long: str) -> list[System]:
    from attncli.config.search import Search
    from attncli.evaluation.decode import decode
    from attncli.evaluation.variants import variant_names

    systems = []
    names = _names([run.folder for run in runs])
    variants = variant_names(names, [run.config for run in runs])
    for name, variant, run in zip(names, variants, runs, strict=True):
        typer.echo(f"{name}: decoding {len(data)} sentences of {data.name}", err=True)
        changed = {key: value for key, value in given.items() if value is not None}
        search = Search.model_validate({**run.config.search.model_dump(), **changed})
        systems.append(decode(run, data, search, name=name, variant=variant, too_long=too_long))  # type: ignore[arg-type]
    return systems


def _write(report: Report, systems: Sequence[System], places: Sequence[Path], output: Path | None) -> None:
    from attncli.evaluation.output import write_hypotheses, write_report
    from attncli.evaluation.text import terminal_text

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

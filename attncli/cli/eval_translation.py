"""`attncli eval` for translation: scores of runs or of files, with bounds, by length, and against each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from attncli.cli.tasks import EvaluationOptions, names_of
from attncli.errors import CommandError, unknown

if TYPE_CHECKING:
    from attncli.config.translation import TranslationConfig
    from attncli.evaluation.evaluate import System
    from attncli.evaluation.report import Report
    from attncli.evaluation.test_set import EvaluationSet
    from attncli.run import Run

_METRICS = ("bleu", "chrf", "ter")


def evaluate_translation(folders: Sequence[Path], options: EvaluationOptions) -> None:
    """Score the runs in `folders`, or files of hypotheses, on one test set."""
    length, too_long, metrics = options.length or "source", options.too_long or "error", options.metric or _METRICS
    check_choice("--length", length, ("source", "reference"))
    check_choice("--too-long", too_long, ("error", "cut"))
    if options.precision is not None:
        check_choice("--precision", options.precision, ("fp32", "bf16"))
    for name in metrics:
        check_choice("--metric", name, _METRICS)
    files = options.hypotheses
    _check_files(folders, files, options.source, options.reference)

    from attncli.config.evaluation import Evaluation
    from attncli.evaluation.evaluate import evaluate

    configs = [_config(folder) for folder in folders]
    settings = configs[0].evaluation if configs else Evaluation()
    loaded = [] if files else [_load(folder, options.device, options.checkpoint) for folder in folders]
    data = _test_set(folders, configs, options.test, options.source, options.reference)
    if files:
        systems = systems_of_files(files, data)
        places = folders or [Path()]
    else:
        search = {
            "beam_size": options.beam_size,
            "length_penalty": options.length_penalty,
            "batch_size": options.batch_size,
            "precision": options.precision,
        }
        systems = _decode(loaded, data, search, too_long)
        places = folders
    report = evaluate(data, systems, settings, metrics=metrics, length_of=length)  # type: ignore[arg-type]
    write_scores(report, systems, places, options.output)


def check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise CommandError(f"{option}: {unknown('value', value, choices)}")


def _check_files(
    folders: Sequence[Path], files: Sequence[Path], source: Path | None, reference: Sequence[Path]
) -> None:
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


def _config(folder: Path) -> TranslationConfig:
    from attncli.config.translation import TranslationConfig
    from attncli.run import config_of

    return config_of(folder, TranslationConfig)


def _load(folder: Path, device: str, checkpoint: str) -> Run:
    from attncli.run import Run

    return Run.load(folder, device=device, checkpoint=checkpoint)


def _test_set(
    folders: Sequence[Path],
    configs: Sequence[TranslationConfig],
    test: str | None,
    source: Path | None,
    reference: Sequence[Path],
) -> EvaluationSet:
    from attncli.evaluation.test_set import configured_set, set_of_files

    if source is not None:
        return set_of_files(source, reference, name=test)
    sets = [configured_set(config, test, where=str(folder)) for folder, config in zip(folders, configs, strict=True)]
    for folder, other in zip(folders, sets, strict=True):
        if other != sets[0]:
            raise CommandError(
                f"{folder}: its test set {other.name!r} is not the {sets[0].name!r} of {folders[0]}; "
                "give the same sentences to all runs with --source and --reference"
            )
    return sets[0]


def systems_of_files(files: Sequence[Path], data: EvaluationSet) -> list[System]:
    from attncli.evaluation.evaluate import System
    from attncli.evaluation.test_set import read_aligned

    return [
        System(
            name, read_aligned(path, len(data), beside=f"the test set {data.name}"), details={"hypotheses": str(path)}
        )
        for name, path in zip(names_of(files), files, strict=True)
    ]


def _decode(runs: Sequence[Run], data: EvaluationSet, given: dict[str, Any], too_long: str) -> list[System]:
    from attncli.config.search import Search
    from attncli.evaluation.decode import decode
    from attncli.evaluation.variants import variant_names

    systems = []
    names = names_of([run.folder for run in runs])
    variants = variant_names(names, [run.config for run in runs])
    for name, variant, run in zip(names, variants, runs, strict=True):
        typer.echo(f"{name}: decoding {len(data)} sentences of {data.name}", err=True)
        changed = {key: value for key, value in given.items() if value is not None}
        search = Search.model_validate({**run.config.search.model_dump(), **changed})
        systems.append(decode(run, data, search, name=name, variant=variant, too_long=too_long))  # type: ignore[arg-type]
    return systems


def write_scores(report: Report, systems: Sequence[System], places: Sequence[Path], output: Path | None) -> None:
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

"""`attncli eval` of runs that write: scores of runs or files with bounds, by length, and compared in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attncli.cli.options import searched_by
from attncli.cli.tasks import check_folder_name, names_of
from attncli.cli.terminal import say, tell
from attncli.errors import CommandError, unknown

if TYPE_CHECKING:
    from attncli.cli.eval_options import EvaluationOptions
    from attncli.cli.tasks import Runs
    from attncli.config.writing import WritingConfig
    from attncli.evaluation.evaluate import System
    from attncli.evaluation.report import Report
    from attncli.evaluation.test_set import EvaluationSet

_SLOW = "meteor"  # needs Java, so it is measured only on request


def evaluate_writing(folders: Sequence[Path], options: EvaluationOptions, runs: Runs) -> None:
    """Score the runs in `folders`, or files of hypotheses, on one test set."""
    from attncli.config.tasks.translation import TranslationConfig

    known = TranslationConfig.metrics if runs.config is None else runs.config.metrics
    metrics = options.metric or [name for name in known if name != _SLOW]
    _check_choices(options, known)
    _check_files(folders, options)
    if _SLOW in metrics:
        from attncli.metrics.meteor import program_folder

        program_folder()  # before anything is decoded

    from attncli.config.evaluation import Evaluation
    from attncli.config.writing import WritingConfig
    from attncli.evaluation.evaluate import evaluate
    from attncli.runs.run import config_of

    configs = [config_of(folder, WritingConfig) for folder in folders]
    data = _test_set(folders, configs, options)
    if options.output is None:
        check_folder_name(data.name)
    if options.hypotheses:
        systems, places = _systems_of_files(options.hypotheses, data), folders or [Path()]
    else:
        systems, places = _decoded(folders, data, options), folders
    report = evaluate(
        data,
        systems,
        configs[0].evaluation if configs else Evaluation(),
        metrics=metrics,
        length_of=options.length or ("source" if runs.family == "text" else "reference"),  # type: ignore[arg-type]
    )
    _write(report, systems, places, options.output)


def _check_choices(options: EvaluationOptions, metrics: Sequence[str]) -> None:
    for name in options.metric or ():
        _check_choice("--metric", name, metrics)
    choices = {
        "--length": (options.length, ("source", "reference")),
        "--too-long": (options.too_long, ("error", "cut")),
        "--precision": (options.precision, ("fp32", "bf16")),
    }
    for option, (value, allowed) in choices.items():
        if value is not None:
            _check_choice(option, value, allowed)


def _check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise CommandError(f"{option}: {unknown('value', value, choices)}")


def _check_files(folders: Sequence[Path], options: EvaluationOptions) -> None:
    """Raise a CommandError if there is nothing to score, or no single test set to score it on."""
    source, reference = options.source, options.reference
    if (source is None) != (not reference):
        raise CommandError(
            f"{'--reference' if source is None else '--source'} is given without "
            f"{'--source' if source is None else '--reference'}; give both, or --test for a test set of the run"
        )
    if not folders and not options.hypotheses:
        raise CommandError("nothing to score; give at least one RUN, or --hypotheses FILE")
    if not folders and source is None:
        raise CommandError("--hypotheses: without a RUN there is no test set; give --source and --reference")
    if options.hypotheses and len(folders) > 1:
        raise CommandError(
            f"--hypotheses: nothing is decoded, so at most one RUN lends its test sets, but {len(folders)} are given"
        )


def _test_set(folders: Sequence[Path], configs: Sequence[WritingConfig], options: EvaluationOptions) -> EvaluationSet:
    """Return the test set that `options` name, which must be the same for all runs."""
    from attncli.evaluation.test_set import configured_set, set_of_files

    if options.source is not None:
        return set_of_files(options.source, options.reference or (), name=options.test)
    sets = [
        configured_set(config, options.test, where=str(folder)) for folder, config in zip(folders, configs, strict=True)
    ]
    for folder, other in zip(folders, sets, strict=True):
        if other != sets[0]:
            otherwise = "; give the same sentences to all runs with --source and --reference"
            raise CommandError(
                f"{folder}: its test set {other.name!r} is not the {sets[0].name!r} of {folders[0]}"
                + (otherwise if configs[0].model.encoder.is_text else "")
            )
    return sets[0]


def _systems_of_files(files: Sequence[Path], data: EvaluationSet) -> list[System]:
    """Return the lines of `files`, one for each source of `data`."""
    from attncli.evaluation.evaluate import System
    from attncli.evaluation.test_set import read_aligned

    return [
        System(
            name, read_aligned(path, len(data), beside=f"the test set {data.name}"), details={"hypotheses": str(path)}
        )
        for name, path in zip(names_of(files), files, strict=True)
    ]


def _decoded(folders: Sequence[Path], data: EvaluationSet, options: EvaluationOptions) -> list[System]:
    """Return what each run writes for `data`, searched with its own settings but for those in `options`."""
    from attncli.evaluation.decode import decode
    from attncli.evaluation.variants import variant_names
    from attncli.runs.writing import WritingRun

    given = {
        "beam_size": options.beam_size,
        "length_penalty": options.length_penalty,
        "batch_size": options.batch_size,
        "precision": options.precision,
    }
    runs = [WritingRun.load(folder, device=options.device, checkpoint=options.checkpoint) for folder in folders]
    names = names_of(folders)
    systems = []
    for name, variant, run in zip(names, variant_names(names, [run.config for run in runs]), runs, strict=True):
        tell(f"{name}: decoding {len(data)} {data.noun}s of {data.name}")
        search, cuts = searched_by(run.config.search, given), options.too_long == "cut"
        systems.append(decode(run, data, search, name=name, variant=variant, cuts_sources=cuts))
    return systems


def _write(report: Report, systems: Sequence[System], places: Sequence[Path], output: Path | None) -> None:
    """Print `report` and write it with the hypotheses, into `output` or below each system's place in `places`."""
    from attncli.reports.output import write_report
    from attncli.reports.text import terminal_text

    say(terminal_text(report) + "\n")
    folders = [place / "evaluation" / report.test for place in places]
    if output is not None or len(folders) < len(systems):
        written = write_report(report, output or folders[0], systems)
    else:
        # The first report covers all systems, each other one its own.
        reports = [report, *(report.of(found) for found in report.systems[1:])]
        written = []
        for each, system, folder in zip(reports, systems, folders, strict=True):
            written += write_report(each, folder, [system])
    for path in written:
        say(f"wrote {path}")

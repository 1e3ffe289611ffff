"""`attncli eval` of runs that write: scores of runs or files with bounds, by length, and compared in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attncli.cli.eval_metrics import chosen_metrics
from attncli.cli.options import searched_by
from attncli.cli.tasks import check_folder_name, names_of
from attncli.cli.terminal import say, say_written, tell
from attncli.errors import CommandError, unknown

if TYPE_CHECKING:
    from attncli.cli.eval_options import EvaluationOptions
    from attncli.cli.tasks import Runs
    from attncli.config.writing import WritingConfig
    from attncli.evaluation.evaluate import System
    from attncli.evaluation.report import Report
    from attncli.evaluation.test_set import EvaluationSet

_ON_REQUEST = ("ter", "comet", "meteor")
"""Metrics that take minutes, a neural network or Java, so that they are only measured when asked for."""


def evaluate_writing(folders: Sequence[Path], options: EvaluationOptions, runs: Runs) -> None:
    """Score the runs in `folders`, and files of hypotheses, together on one test set."""
    from attncli.metrics.registry import ALL_METRICS, GENERAL_METRICS

    # Files alone may be of any task.
    known = (*ALL_METRICS, "comet") if runs.config is None else runs.config.metrics
    files = options.hypotheses or []
    check_choices(options, (*known, *(key for key in GENERAL_METRICS if key not in known)))
    _check_files(folders, options)
    _check_used(folders, options)
    names = names_of([*folders, *files], options.label, ensemble=options.with_ or ())

    from attncli.config.evaluation import Evaluation
    from attncli.config.tasks.translation import TranslationConfig
    from attncli.config.writing import WritingConfig
    from attncli.evaluation.evaluate import evaluate
    from attncli.runs.run import config_of

    configs = [config_of(folder, WritingConfig) for folder in folders]
    if options.reversed:
        _check_lasting(folders, configs)
    if options.length == "source":
        _check_lengths(folders, configs)
    data = _test_set(folders, configs, options)
    if options.output is None:
        check_folder_name(data.name)
    are_labels = bool(configs) and all(config.tokenizer.target is not None for config in configs)
    default = TranslationConfig.metrics if runs.config is None else ("accuracy",) if are_labels else known
    wanted = options.metric or [key for key in default if key not in _ON_REQUEST]
    # Before anything is decoded, since programs and models may be missing.
    metrics = chosen_metrics(wanted, data, options, names=names)
    given = _given(files, data, names=names[len(folders) :])
    decoded = _decoded(folders, data, options, names=names[: len(folders)], others=[found.name for found in given])
    systems = [*decoded, *given]
    has_lengths = data.sources is not None and (not configs or configs[0].model.source.length_unit)
    report = evaluate(
        data,
        systems,
        configs[0].evaluation if configs else Evaluation(),
        metrics=metrics,
        length_of=options.length or ("source" if has_lengths else "reference"),  # type: ignore[arg-type]
        are_labels=are_labels,
    )
    place = options.output
    if place is None and (options.with_ or not folders):
        place = Path("evaluation") / data.name  # of no single run
    _write(report, data, systems, folders, place)


def check_choices(options: EvaluationOptions, metrics: Sequence[str]) -> None:
    """Raise a CommandError for a value that is none of those to choose from, such as a metric not among `metrics`."""
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
    if not folders and not options.hypotheses:
        raise CommandError("nothing to score; give at least one RUN, or --hypotheses FILE")
    if source is not None and not reference:
        raise CommandError(
            "--source is given without --reference; give both, or --test for a test set of the run"
            if folders
            else "--source is given without --reference; give the references of its sentences"
        )
    if folders and reference and source is None:
        raise CommandError(
            "--reference is given without --source, which RUN needs; give both, or --test for a test set of the run"
        )
    if not folders and not reference:
        raise CommandError("--hypotheses: without a RUN there is no test set; give --reference, and --source if known")


def _check_used(folders: Sequence[Path], options: EvaluationOptions) -> None:
    """Raise a CommandError for a given option that would change nothing."""
    asked = options.metric or ()
    if options.comet_model is not None and "comet" not in asked:
        raise CommandError("--comet-model: names the model of --metric comet; add that option or leave this one out")
    if folders:
        return
    if options.source is None and "comet" in asked:
        raise CommandError("--metric comet: judges translations beside their sources; give --source")
    if options.source is None and options.length == "source":
        raise CommandError("--length source: the sources are not known; give --source, or group by the reference")
    decoding = {
        "--with": options.with_,
        "--beam-size": options.beam_size,
        "--length-penalty": options.length_penalty,
        "--patience": options.patience,
        "--ctc-weight": options.ctc_weight,
        "--shortlist": options.shortlist,
        "--batch-size": options.batch_size,
        "--precision": options.precision,
        "--workers": options.workers,
        "--too-long": options.too_long,
        "--reversed": options.reversed or None,
        "--checkpoint": options.checkpoint if options.checkpoint != "best" else None,
        "--device": options.device if options.device != "auto" and "comet" not in asked else None,
    }
    for option, value in decoding.items():
        if value is not None:
            raise CommandError(f"{option}: nothing is decoded without a RUN; leave it out")


def _check_lasting(folders: Sequence[Path], configs: Sequence[WritingConfig]) -> None:
    """Raise a CommandError for a run that reads nothing that can be played backwards."""
    for folder, config in zip(folders, configs, strict=True):
        if not any(section.lasts for section in config.model.source.parts.values()):
            raise CommandError(
                f"--reversed: plays films and recordings backwards, but {folder} reads {_nouns(config)}; leave it out"
            )


def _check_lengths(folders: Sequence[Path], configs: Sequence[WritingConfig]) -> None:
    """Raise a CommandError for a run whose sources have no length."""
    for folder, config in zip(folders, configs, strict=True):
        if config.model.source.length_unit is None:
            raise CommandError(
                f"--length source: {folder} reads {_nouns(config)}, which have no length; group by the reference"
            )


def _nouns(config: WritingConfig) -> str:
    return " and ".join(f"{section.noun}s" for section in config.model.source.parts.values())


def _test_set(folders: Sequence[Path], configs: Sequence[WritingConfig], options: EvaluationOptions) -> EvaluationSet:
    """Return the test set that `options` name, which must be the same for all runs."""
    from attncli.evaluation.test_set import configured_set, set_of_files

    if options.reference:
        return set_of_files(options.source, options.reference, name=options.test)
    sets = [
        configured_set(config, options.test, where=str(folder)) for folder, config in zip(folders, configs, strict=True)
    ]
    for folder, other in zip(folders, sets, strict=True):
        if other != sets[0]:
            otherwise = "; give the same sentences to all runs with --source and --reference"
            raise CommandError(
                f"{folder}: its test set {other.name!r} is not the {sets[0].name!r} of {folders[0]}"
                + (otherwise if configs[0].model.source.is_text else "")
            )
    return sets[0].reversed(configs[0].model.source) if options.reversed else sets[0]


def _decoded(
    folders: Sequence[Path],
    data: EvaluationSet,
    options: EvaluationOptions,
    *,
    names: Sequence[str],
    others: Sequence[str],
) -> list[System]:
    """Return what each run writes for `data`, searched with its own settings but for those in `options`.

    `names` are those of the runs, and `others` those of files beside them.
    """
    from attncli.evaluation.decode import decode
    from attncli.evaluation.variants import variant_names
    from attncli.runs.writing import WritingRun

    given = {
        "beam_size": options.beam_size,
        "length_penalty": options.length_penalty,
        "patience": options.patience,
        "ctc_weight": options.ctc_weight,
        "shortlist": options.shortlist,
        "batch_size": options.batch_size,
        "precision": options.precision,
        "too_long": options.too_long,
    }
    ensemble = options.with_ or ()
    runs = [
        WritingRun.load(folder, device=options.device, checkpoint=options.checkpoint, ensemble=ensemble)
        for folder in folders
    ]
    variants = variant_names(names, [run.config for run in runs], others=others)
    systems = []
    for name, variant, run in zip(names, variants, runs, strict=True):
        tell(f"{name}: decoding {len(data)} {data.noun}s of {data.name}")
        search = searched_by(run.config.search, given)
        systems.append(decode(run, data, search, name=name, variant=variant, workers=options.workers))
    return systems


def _given(files: Sequence[Path], data: EvaluationSet, *, names: Sequence[str]) -> list[System]:
    """Return the lines of `files`, one for each source of `data`."""
    from attncli.evaluation.evaluate import System
    from attncli.evaluation.test_set import read_aligned

    return [
        System(
            name, read_aligned(path, len(data), beside=f"the test set {data.name}"), details={"hypotheses": str(path)}
        )
        for name, path in zip(names, files, strict=True)
    ]


def _write(
    report: Report, data: EvaluationSet, systems: Sequence[System], folders: Sequence[Path], place: Path | None
) -> None:
    """Print `report` and write it with what was decoded, into `place` or below each of `folders`."""
    from attncli.drawing.fonts import fonts_for
    from attncli.reports.output import PICTURE, write_report
    from attncli.reports.text import terminal_text

    say(*terminal_text(report).split("\n"), "")
    if problem := fonts_for([report.test, *(system.name for system in systems)]).problem:
        tell(f"warning: {PICTURE}: {problem}, or give other names with --label")
    decoded = systems[: len(folders)]
    if place is not None:
        say_written(place, write_report(report, place, test=data, systems=systems, decoded=decoded))
        return
    for number, folder in enumerate(folders):
        # The first report covers all systems, each other one its own.
        alone = report.of(report.systems[number]) if number else report
        own, scored = folder / "evaluation" / report.test, decoded[number : number + 1]
        names = write_report(alone, own, test=data, systems=scored if number else systems, decoded=scored)
        say_written(own, names)

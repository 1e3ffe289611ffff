"""`attncli eval` for translation: scores of runs or of files, with bounds, by length, and against each other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from attncli.cli.scoring import (
    check_choice,
    check_options,
    check_same_sets,
    decoded_systems,
    systems_of_files,
    write_scores,
)
from attncli.cli.tasks import EvaluationOptions
from attncli.errors import CommandError

if TYPE_CHECKING:
    from attncli.config.tasks.translation import TranslationConfig
    from attncli.evaluation.test_set import EvaluationSet

_METRICS = ("bleu", "chrf", "ter")


def evaluate_translation(folders: Sequence[Path], options: EvaluationOptions) -> None:
    """Score the runs in `folders`, or files of hypotheses, on one test set."""
    length, too_long, metrics = options.length or "source", options.too_long or "error", options.metric or _METRICS
    check_choice("--length", length, ("source", "reference"))
    check_choice("--too-long", too_long, ("error", "cut"))
    check_options(options, _METRICS)
    files = options.hypotheses
    _check_files(folders, files, options.source, options.reference)

    from attncli.config.evaluation import Evaluation
    from attncli.config.tasks.translation import TranslationConfig
    from attncli.evaluation.decode import decode
    from attncli.evaluation.evaluate import evaluate
    from attncli.runs.run import Run, config_of

    configs = [config_of(folder, TranslationConfig) for folder in folders]
    settings = configs[0].evaluation if configs else Evaluation()
    load = partial(Run.load, device=options.device, checkpoint=options.checkpoint)
    runs = [] if files else [load(folder) for folder in folders]
    data = _test_set(folders, configs, options.test, options.source, options.reference)
    if files:
        systems = systems_of_files(files, data)
        places = folders or [Path()]
    else:
        doing = f"decoding {len(data)} sentences of {data.name}"
        searched = partial(decode, test=data, too_long=too_long)  # type: ignore[arg-type]
        systems = decoded_systems(runs, searched, options, doing=doing)
        places = folders
    report = evaluate(data, systems, settings, metrics=metrics, length_of=length)  # type: ignore[arg-type]
    write_scores(report, systems, places, options.output)


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
    otherwise = "; give the same sentences to all runs with --source and --reference"
    check_same_sets(folders, sets, otherwise=otherwise)
    return sets[0]

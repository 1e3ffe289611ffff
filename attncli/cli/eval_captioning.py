"""`attncli eval` for captioning: scores of runs against all references, with bounds, and against each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from attncli.cli.eval_translation import check_choice, systems_of_files, write_scores
from attncli.cli.tasks import EvaluationOptions, names_of
from attncli.errors import CommandError

if TYPE_CHECKING:
    from attncli.evaluation.captions import CaptionTest
    from attncli.evaluation.evaluate import System
    from attncli.run import CaptionRun

_METRICS = ("bleu", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "chrf", "rouge_l", "cider", "meteor")
_WITHOUT_JAVA = _METRICS[:-1]


def evaluate_captioning(folders: Sequence[Path], options: EvaluationOptions) -> None:
    """Score the runs in `folders`, or files of captions, on one test set."""
    metrics = options.metric or _WITHOUT_JAVA
    for name in metrics:
        check_choice("--metric", name, _METRICS)
    if not folders:
        raise CommandError("nothing to score; give at least one RUN")
    if options.hypotheses and len(folders) > 1:
        raise CommandError(
            f"--hypotheses: nothing is decoded, so one RUN lends its test sets, but {len(folders)} are given"
        )

    from attncli.evaluation.captions import caption_test
    from attncli.evaluation.evaluate import evaluate
    from attncli.run import CaptionRun

    runs = [CaptionRun.load(folder, device=options.device, checkpoint=options.checkpoint) for folder in folders]
    tests = [caption_test(run.config, options.test, where=str(run.folder)) for run in runs]
    for folder, other in zip(folders, tests, strict=True):
        if other.data != tests[0].data:
            raise CommandError(
                f"{folder}: its test set {other.data.name!r} is not the {tests[0].data.name!r} of {folders[0]}"
            )
    systems = (
        systems_of_files(options.hypotheses, tests[0].data) if options.hypotheses else _decode(runs, tests[0], options)
    )
    report = evaluate(tests[0].data, systems, runs[0].config.evaluation, metrics=metrics, length_of="reference")
    write_scores(report, systems, folders, options.output)


def _decode(runs: Sequence[CaptionRun], test: CaptionTest, options: EvaluationOptions) -> list[System]:
    from attncli.config.search import Search
    from attncli.evaluation.captions import decode_captions
    from attncli.evaluation.variants import variant_names

    given = {
        "beam_size": options.beam_size,
        "length_penalty": options.length_penalty,
        "batch_size": options.batch_size,
        "precision": options.precision,
    }
    changed = {key: value for key, value in given.items() if value is not None}
    systems = []
    names = names_of([run.folder for run in runs])
    for name, variant, run in zip(names, variant_names(names, [run.config for run in runs]), runs, strict=True):
        typer.echo(f"{name}: captioning {len(test.data)} pictures of {test.data.name}", err=True)
        search = Search.model_validate({**run.config.search.model_dump(), **changed})
        systems.append(decode_captions(run, test, search, name=name, variant=variant))
    return systems

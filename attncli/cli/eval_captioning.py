"""`attncli eval` for captioning: scores of runs against all references, with bounds, and against each other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from attncli.cli.scoring import check_options, check_same_sets, decoded_systems, systems_of_files, write_scores
from attncli.cli.tasks import EvaluationOptions
from attncli.errors import CommandError

_METRICS = ("bleu", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "chrf", "rouge_l", "cider", "meteor")
_WITHOUT_JAVA = _METRICS[:-1]


def evaluate_captioning(folders: Sequence[Path], options: EvaluationOptions) -> None:
    """Score the runs in `folders`, or files of captions, on one test set."""
    metrics = options.metric or _WITHOUT_JAVA
    check_options(options, _METRICS)
    if not folders:
        raise CommandError("nothing to score; give at least one RUN")
    if options.hypotheses and len(folders) > 1:
        raise CommandError(
            f"--hypotheses: nothing is decoded, so one RUN lends its test sets, but {len(folders)} are given"
        )

    from attncli.evaluation.captions import caption_test
    from attncli.evaluation.decode import decode_captions
    from attncli.evaluation.evaluate import evaluate
    from attncli.runs.run import CaptionRun

    runs = [CaptionRun.load(folder, device=options.device, checkpoint=options.checkpoint) for folder in folders]
    tests = [caption_test(run.config, options.test, where=str(run.folder)) for run in runs]
    check_same_sets(folders, [test.data for test in tests])
    data = tests[0].data
    if options.hypotheses:
        systems = systems_of_files(options.hypotheses, data)
    else:
        doing = f"captioning {len(data)} pictures of {data.name}"
        systems = decoded_systems(runs, partial(decode_captions, test=tests[0]), options, doing=doing)
    report = evaluate(data, systems, runs[0].config.evaluation, metrics=metrics, length_of="reference")
    write_scores(report, systems, folders, options.output)

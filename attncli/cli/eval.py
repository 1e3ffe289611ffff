"""`attncli eval`: scores trained runs on test sets and compares them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attncli.cli.eval_options import EvaluationOptions
from attncli.cli.tasks import check_meaning, runs_in, takes
from attncli.errors import CommandError


@takes(EvaluationOptions)
def evaluate(options: EvaluationOptions) -> None:
    """Score RUNs on a test set: corpus scores with 95 % bounds, one of them by length, and paired tests between runs.

    For autoencoders, measure reconstruction errors next to those of PCA, and plot them by bottleneck width.

    Writes report.json, report.md, by_length.png and hypotheses.txt. With several RUNs each has its own in
    RUN/evaluation/TEST, and the first one's report covers them all; with --output everything goes there.

    With --reversed films and recordings are played backwards, and the reports are in RUN/evaluation/TEST-reversed.

    With --with one RUN and those that it names are an ensemble, which is scored as one; its report is in
    evaluation/TEST.

    Runs that differ in their seeds alone are grouped: their mean scores are reported and compared. With up to four
    groups every pair is compared by every score; with more, each is compared with the first.

    Example: attncli eval runs/none runs/additive --test test_2016_flickr

    Example: attncli eval runs/autoencoder-linear runs/autoencoder-deep --corruption masking:0.3

    Example: attncli eval runs/additive-seed-1 --with runs/additive-seed-2 --with runs/additive-seed-3

    Example: attncli eval runs/toy-actions --reversed

    Example: attncli eval --hypotheses out.en --source test.de --reference test.en --output scores
    """
    folders = options.runs or []
    if options.with_ and len(folders) > 1:
        raise CommandError(
            f"--with: makes one ensemble, of one RUN and those that it names, but {len(folders)} RUNs are given; "
            "score what others write beside it with --hypotheses"
        )
    for what, paths in (("RUN", folders), ("--hypotheses", options.hypotheses or [])):
        _check_different(what, paths)
    runs = runs_in(folders)
    check_meaning(options, runs)
    if runs.family == "autoencoding":
        from attncli.cli.eval_autoencoding import evaluate_autoencoding

        evaluate_autoencoding(folders, options)
    else:
        from attncli.cli.eval_writing import evaluate_writing

        evaluate_writing(folders, options, runs)


def _check_different(what: str, paths: Sequence[Path]) -> None:
    twice = [path for number, path in enumerate(paths) if path.resolve() in {p.resolve() for p in paths[:number]}]
    if twice:
        raise CommandError(f"{what}: {twice[0]} is given twice")

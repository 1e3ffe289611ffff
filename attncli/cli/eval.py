"""`attncli eval`: what trained runs are worth on data they have not seen, and against each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from attncli.cli.corruption import HELP
from attncli.cli.eval_autoencoding import evaluate_autoencoding
from attncli.cli.eval_captioning import evaluate_captioning
from attncli.cli.eval_translation import evaluate_translation
from attncli.cli.options import BatchSize, BeamSize, Checkpoint, Device, LengthPenalty
from attncli.cli.tasks import EvaluationOptions, TaskCommand, one_task
from attncli.errors import CommandError

EVALUATIONS: dict[str, TaskCommand[Sequence[Path], EvaluationOptions]] = {
    "translation": TaskCommand(
        frozenset(
            {
                *("test", "source", "reference", "hypotheses", "too_long", "length", "metric"),
                *("beam_size", "length_penalty", "batch_size", "precision"),
            }
        ),
        evaluate_translation,
    ),
    "captioning": TaskCommand(
        frozenset({"test", "hypotheses", "metric", "beam_size", "length_penalty", "batch_size", "precision"}),
        evaluate_captioning,
    ),
    "autoencoding": TaskCommand(frozenset({"test", "corruption"}), evaluate_autoencoding),
}


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
    beam_size: BeamSize = None,
    length_penalty: LengthPenalty = None,
    batch_size: BatchSize = None,
    precision: Annotated[str | None, typer.Option(metavar="fp32|bf16", help="Arithmetic of the products.")] = None,
    too_long: Annotated[
        str | None, typer.Option(metavar="error|cut", help="What to do about too long a source.  [default: error]")
    ] = None,
    length: Annotated[
        str | None,
        typer.Option(metavar="source|reference", help="Whose words BLEU by length counts.  [default: source]"),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A score beside BLEU, again for more. Translation: chrf, ter; captions: bleu_1, bleu_2, bleu_3, "
            "bleu_4, chrf, rouge_l, cider, meteor.  [default: all but meteor, which is a Java program]",
        ),
    ] = None,
    corruption: Annotated[str | None, typer.Option(metavar="KIND:AMOUNT", help=f"Autoencoders: {HELP}")] = None,
    checkpoint: Checkpoint = "best",
    device: Device = "auto",
) -> None:
    """Score RUNs on a test set: BLEU, chrF and TER with 95 % bounds, BLEU by length, and paired tests between runs.

    Of autoencoders, measure the errors of reconstruction beside those of PCA, and draw them by width of the bottleneck.

    Writes report.json, report.md, by_length.png and hypotheses.txt. With several RUNs each has its own in
    RUN/evaluation/TEST, and the first one's report is that of all; with --output everything goes there.

    Runs that differ in their seeds alone are taken together: their mean scores are reported and compared. Of up to four
    every pair is compared by every score, and of more each with the first.

    Example: attncli eval runs/none runs/additive --test test_2016_flickr

    Example: attncli eval runs/autoencoder-linear runs/autoencoder-deep --corruption masking:0.3

    Example: attncli eval --hypotheses out.en --source test.de --reference test.en --output scores
    """
    folders = list(runs or ())
    options = EvaluationOptions(
        output=output,
        checkpoint=checkpoint,
        device=device,
        test=test,
        source=source,
        reference=tuple(reference or ()),
        hypotheses=tuple(hypotheses or ()),
        beam_size=beam_size,
        length_penalty=length_penalty,
        batch_size=batch_size,
        precision=precision,
        too_long=too_long,
        length=length,
        metric=tuple(metric or ()),
        corruption=corruption,
    )
    for what, paths in (("RUN", folders), ("--hypotheses", options.hypotheses)):
        _check_different(what, paths)
    task = one_task(folders, EVALUATIONS)
    EVALUATIONS[task](folders, options, task=task)


def _check_different(what: str, paths: Sequence[Path]) -> None:
    twice = [path for number, path in enumerate(paths) if path.resolve() in {p.resolve() for p in paths[:number]}]
    if twice:
        raise CommandError(f"{what}: {twice[0]} is given twice")

"""`attncli eval`: what trained runs are worth on data they have not seen, and against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from attncli.cli.corruption import HELP
from attncli.cli.options import BatchSize, BeamSize, Checkpoint, Device, LengthPenalty
from attncli.cli.tasks import WRITING, Only, check_meaning, family_of, takes
from attncli.errors import CommandError


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """What `attncli eval` takes."""

    runs: Annotated[list[Path] | None, typer.Argument(metavar="RUN", help="Folders of trained runs.")] = None
    test: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which test set of the configuration; with --source, its name in reports."),
    ] = None
    source: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Sentences to translate; `.gz` too."), Only(("text",))
    ] = None
    reference: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Translations of --source; repeat for more references."),
        Only(("text",)),
    ] = None
    hypotheses: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Score these lines and decode nothing; RUN may be left out. Repeat to compare files."
        ),
        Only(WRITING),
    ] = None
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Where to write.  [default: RUN/evaluation/TEST]"),
    ] = None
    beam_size: Annotated[BeamSize, Only(WRITING)] = None
    length_penalty: Annotated[LengthPenalty, Only(WRITING)] = None
    batch_size: Annotated[BatchSize, Only(WRITING)] = None
    precision: Annotated[
        str | None, typer.Option(metavar="fp32|bf16", help="Arithmetic of matrix products."), Only(WRITING)
    ] = None
    too_long: Annotated[
        str | None,
        typer.Option(
            metavar="error|cut", help="Whether to stop at a source that is too long or truncate it.  [default: error]"
        ),
        Only(("text",)),
    ] = None
    length: Annotated[
        str | None,
        typer.Option(
            metavar="source|reference", help="Group BLEU by the words of the source or reference.  [default: source]"
        ),
        Only(("text",)),
    ] = None
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A score beside BLEU; repeat for more. Translation: chrf, ter. Captions: bleu_1, bleu_2, bleu_3, "
            "bleu_4, chrf, rouge_l, cider, meteor.  [default: all but meteor, which is a Java program]",
        ),
        Only(WRITING),
    ] = None
    corruption: Annotated[
        str | None, typer.Option(metavar="KIND:AMOUNT", help=f"Autoencoders: {HELP}"), Only(("autoencoding",))
    ] = None
    checkpoint: Checkpoint = "best"
    device: Device = "auto"


@takes(EvaluationOptions)
def evaluate(options: EvaluationOptions) -> None:
    """Score RUNs on a test set: corpus scores with 95 % bounds, BLEU by length, and paired tests between runs.

    For autoencoders, measure reconstruction errors next to those of PCA, and plot them by bottleneck width.

    Writes report.json, report.md, by_length.png and hypotheses.txt. With several RUNs each has its own in
    RUN/evaluation/TEST, and the first one's report covers them all; with --output everything goes there.

    Runs that differ in their seeds alone are grouped: their mean scores are reported and compared. With up to four
    groups every pair is compared by every score; with more, each is compared with the first.

    Example: attncli eval runs/none runs/additive --test test_2016_flickr

    Example: attncli eval runs/autoencoder-linear runs/autoencoder-deep --corruption masking:0.3

    Example: attncli eval --hypotheses out.en --source test.de --reference test.en --output scores
    """
    folders = options.runs or []
    for what, paths in (("RUN", folders), ("--hypotheses", options.hypotheses or [])):
        _check_different(what, paths)
    family, task = family_of(folders)
    check_meaning(options, family, task)
    if family == "autoencoding":
        from attncli.cli.eval_autoencoding import evaluate_autoencoding

        evaluate_autoencoding(folders, options)
    else:
        from attncli.cli.eval_writing import evaluate_writing

        evaluate_writing(folders, options, is_text=family == "text")


def _check_different(what: str, paths: Sequence[Path]) -> None:
    twice = [path for number, path in enumerate(paths) if path.resolve() in {p.resolve() for p in paths[:number]}]
    if twice:
        raise CommandError(f"{what}: {twice[0]} is given twice")

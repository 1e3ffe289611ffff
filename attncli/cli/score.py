"""`attncli score`: how probable given targets are to a trained run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from attncli.cli.options import (
    INPUT,
    OUTPUT,
    BatchSize,
    Checkpoint,
    CTCWeight,
    Device,
    OutputFile,
    Precision,
    RunArgument,
    With,
    Workers,
    searched_by,
)
from attncli.cli.tasks import takes
from attncli.cli.terminal import tell
from attncli.cli.writing import json_line, opened_output, refuse_input
from attncli.errors import CommandError, DataError

if TYPE_CHECKING:
    from attncli.decoding.written import Written


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """The options of `attncli score`."""

    run: RunArgument
    with_: With = None
    source: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="What RUN reads, one a line: sentences, or paths of images.", rich_help_panel=INPUT
        ),
    ]
    target: Annotated[
        Path, typer.Option(metavar="FILE", help="The targets to score, one a line.", rich_help_panel=INPUT)
    ]
    output: OutputFile = None
    ctc_weight: CTCWeight = None
    format: Annotated[
        Literal["text", "jsonl"],
        typer.Option(help="A log-probability a line; or JSON, with that of every token.", rich_help_panel=OUTPUT),
    ] = "text"
    batch_size: BatchSize = None
    precision: Precision = None
    workers: Workers = None
    checkpoint: Checkpoint = "best"
    device: Device = "auto"


@takes(ScoreOptions)
def score(options: ScoreOptions) -> None:
    """Score given targets with a trained RUN: for each pair, the natural logarithm of the target's probability.

    The end symbol counts as a token of the target. The perplexity of all tokens is reported on standard error. With CTC
    the logarithm is that of the search's score, to which both the decoder and CTC add theirs.

    Example: attncli score runs/multi30k-de-en --source test.de --target test.en

    Example: attncli score runs/multi30k-de-en --source test.de --target test.en --format jsonl --output scores.jsonl
    """
    from attncli.errors import counted
    from attncli.files.reading import count_lines
    from attncli.machine.progress import beside_progress, progress, shows_progress
    from attncli.runs.writing import WritingRun

    refuse_input(options.output, [options.source, options.target])
    run = WritingRun.load(
        options.run, device=options.device, checkpoint=options.checkpoint, ensemble=options.with_ or ()
    )
    if run.config.model.source.is_joint:
        raise CommandError(
            f"{options.run}: this run reads several sources ({', '.join(run.config.model.source.parts)}), of which a "
            "line is one; its answers are scored by attncli eval"
        )
    given = {
        "ctc_weight": options.ctc_weight,
        "shortlist": 0,  # nothing is searched for
        "batch_size": options.batch_size,
        "precision": options.precision,
    }
    search = searched_by(run.config.search, given)
    total = count_lines(options.source) if shows_progress() else None
    pairs, is_json = _pairs(options.source, options.target), options.format == "jsonl"
    log_prob, tokens = 0.0, 0
    with (
        run.writer(search).side_by_side(options.workers) as writer,
        opened_output(options.output) as stream,
        progress(total, "pairs") as advance,
    ):
        for number, each in enumerate(writer.align(pairs, with_weights=False, advance=advance), start=1):
            _check(each, f"{options.source}:{number}")
            log_prob, tokens = log_prob + each.best.log_prob, tokens + len(each.best.tokens)
            with beside_progress(stream):
                stream.write(json_line(each, name="source") if is_json else f"{each.best.log_prob:.6g}\n")
    if tokens:
        tell(f"perplexity {math.exp(-log_prob / tokens):.4g} over {counted(tokens, 'token')}, end symbols counted")


def _pairs(source: Path, target: Path) -> Iterator[tuple[str, str]]:
    """Yield the lines of two files together; raises DataError where one of them has fewer."""
    from attncli.errors import counted
    from attncli.files.reading import read_lines

    for number, (one, other) in enumerate(zip_longest(read_lines(source), read_lines(target)), start=1):
        if one is None or other is None:
            short, long = (source, target) if one is None else (target, source)
            lines = counted(number - 1, "line")
            raise DataError(f"{short}: has only {lines}, but {long} has more; a pair is a line of each")
        yield one, other


def _check(found: Written, where: str) -> None:
    if found.problem is not None:
        raise DataError(f"{where}: {found.problem}")
    if not found.best.tokens:
        raise DataError(f"{where}: the source is empty, so nothing can be scored for it; remove the pair")

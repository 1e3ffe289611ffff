"""`attncli classify`: labels files, or lines of text, with a trained run."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from attncli.cli.files import named_files
from attncli.cli.lines import STANDARD_INPUT, chunks_of, count_of
from attncli.cli.options import (
    OUTPUT,
    BatchSize,
    Checkpoint,
    Device,
    MaxSourceLength,
    OutputFile,
    Precision,
    RunArgument,
    TooLong,
    With,
    Workers,
    searched_by,
)
from attncli.cli.tasks import takes
from attncli.cli.terminal import tell_error
from attncli.cli.writing import Write, command_of, one_line, opened_output, refuse_input
from attncli.errors import CommandError, DataError, counted, escaped, escaped_json

if TYPE_CHECKING:
    from attncli.decoding.written import Written, WrittenHypothesis
    from attncli.runs.writing import WritingRun


@dataclass(frozen=True, kw_only=True)
class ClassifyOptions:
    """The options of `attncli classify`."""

    run: RunArgument
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="Files, folders, or patterns with *; for a RUN that reads text, one file with a source a line, `.gz` "
            "too.",
            show_default="standard input, for text",
        ),
    ] = None
    with_: With = None
    output: OutputFile = None
    format: Annotated[
        Literal["tsv", "jsonl"],
        typer.Option(
            help="Label and its probability, after the path of a file, with tabs between; or JSON with scores too.",
            rich_help_panel=OUTPUT,
        ),
    ] = "tsv"
    n_best: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Labels to write for each source, likeliest first.", rich_help_panel=OUTPUT
        ),
    ] = 1
    attention: Annotated[
        bool,
        typer.Option("--attention", help="With jsonl: also write attention weights.", rich_help_panel=OUTPUT),
    ] = False
    max_source_length: MaxSourceLength = None
    too_long: TooLong = None
    batch_size: BatchSize = None
    precision: Precision = None
    workers: Workers = None
    checkpoint: Checkpoint = "best"
    device: Device = "auto"


@dataclass(frozen=True)
class _Given:
    """What is to be labelled, in chunks that are read as they come."""

    chunks: Iterator[list[str]]
    inputs: list[Path | int]
    total: int | None = None
    name: str = ""  # of the text; files have their own
    shown: bool = True  # how far it is


@takes(ClassifyOptions)
def classify(options: ClassifyOptions) -> None:
    """Label sources with a trained RUN: a line for each, with the label and its probability, after the path of a file.

    A source that cannot be read is reported on standard error; the others are still labelled, and the exit code is 1.
    Text has one line out for each line in, empty where there is no label. With --n-best K there are K lines for each.

    For a RUN that reads films, a folder of images is one film with a frame in each, in the order of their names.

    Example: attncli classify runs/shapes photos/ --n-best 3

    Example: echo "The bed was not at all dirty." | attncli classify runs/toy-reviews
    """
    from attncli.machine.progress import beside_progress, progress

    run = _opened(options)
    given = _text(options) if run.config.model.source.is_text else _files(run, options)
    refuse_input(options.output, given.inputs)
    number = bad = 0
    with _classifying(run, options) as write:
        # Read before the output is opened, so that a wrong input leaves no output behind.
        first = next(given.chunks, [])
        with (
            opened_output(options.output) as stream,
            progress(given.total, f"{run.noun}s", shown=given.shown) as advance,
        ):
            for cells in chain([first], given.chunks):
                for found in write(cells, first=number, advance=advance):
                    number += 1
                    if found.problem is not None:
                        bad += 1
                        tell_error(f"{given.name}:{number}: {found.problem}" if given.name else found.problem)
                    with beside_progress(stream):
                        stream.writelines(_lines(found, options, is_text=bool(given.name)))
                stream.flush()
    if bad:
        raise DataError(f"{bad} of {counted(number, run.noun)} could not be labelled")


def _opened(options: ClassifyOptions) -> WritingRun:
    """Return the run of `options`; a CommandError says which command is for one that writes no labels."""
    from attncli.config.writing import WritingConfig
    from attncli.runs.run import config_of
    from attncli.runs.writing import WritingRun

    config = config_of(options.run, WritingConfig)
    section = config.model.source
    if section.is_joint:
        raise CommandError(f"{options.run}: this run reads several sources; use attncli answer")
    if config.tokenizer.target is None:
        raise CommandError(
            f"{options.run}: is a run of task {config.task}, which writes text; use attncli {command_of(config)}"
        )
    return WritingRun.load(
        options.run,
        config=config,
        device=options.device,
        checkpoint=options.checkpoint,
        ensemble=options.with_ or (),
    )


def _text(options: ClassifyOptions) -> _Given:
    sources = options.sources or []
    if len(sources) > 1:
        raise CommandError(f"{len(sources)} files given, but RUN reads the lines of one; give them one by one")
    path = Path(sources[0]) if sources else None
    if path is None and sys.stdin is None:
        raise CommandError("standard input is closed; name a file with a source a line")
    shown = path is not None or not sys.stdin.isatty()
    return _Given(
        chunks_of(path),
        [STANDARD_INPUT if path is None else path],
        count_of(path),
        name=str(path or "standard input"),
        shown=shown,
    )


def _files(run: WritingRun, options: ClassifyOptions) -> _Given:
    if not options.sources:
        raise CommandError("nothing to label: RUN reads files; name some, or folders of them")
    files = named_files(options.sources, run.config.model.source)
    return _Given(iter([[str(path) for path in files]]), list(files), len(files))


@contextmanager
def _classifying(run: WritingRun, options: ClassifyOptions) -> Iterator[Write]:
    """Yield a function that labels sources as `options` ask."""
    if options.attention and options.format != "jsonl":
        raise CommandError("--attention writes weights into JSON; add --format jsonl")
    if options.attention and not run.attends:
        raise CommandError(f"--attention: {options.run} has model.attention: none, so there are no weights")
    if not run.config.model.source.is_text:
        for option, value in (("--max-source-length", options.max_source_length), ("--too-long", options.too_long)):
            if value is not None:
                raise CommandError(f"{option}: counts tokens, but {options.run} reads {run.noun}s; leave it out")
    # A beam holds one label each, so that it must be as wide as what is asked for.
    given = {
        "beam_size": options.n_best,
        "max_source_length": options.max_source_length,
        "too_long": options.too_long,
        "batch_size": options.batch_size,
        "precision": options.precision,
    }
    search = searched_by(run.config.search, given, options={"beam_size": "--n-best"})
    with run.writer(search).side_by_side(options.workers) as writer:
        yield partial(writer.write, n_best=options.n_best, with_weights=options.attention)


def _lines(found: Written, options: ClassifyOptions, *, is_text: bool) -> Iterator[str]:
    """Yield the lines of output for one source; those of text are as many whatever is found."""
    labels = [label for label in found.hypotheses if label.tokens]
    if options.format == "jsonl":
        if found.problem is None:
            yield _json_line(found, labels, name="source" if is_text else "path")
        return
    before = "" if is_text else f"{escaped(found.cell)}\t"
    for label in labels:
        yield f"{before}{escaped(one_line(label.text))}\t{math.exp(label.log_prob):.4f}\n"
    if is_text:
        yield from "\n" * (options.n_best - len(labels))


def _json_line(found: Written, labels: list[WrittenHypothesis], *, name: str) -> str:
    record = found.as_json(name=name)
    record["hypotheses"] = [{"probability": math.exp(label.log_prob), **label.as_json()} for label in labels]
    return escaped_json(json.dumps(record, ensure_ascii=False)) + "\n"

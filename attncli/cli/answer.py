"""`attncli answer`: answers questions with a trained run."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import typer

from attncli.cli.options import INPUT, OUTPUT, MaxSourceLength, TooLong
from attncli.cli.rows import STANDARD_INPUT, Row, begun, columns_of, given_row, rows_of_table, table_of
from attncli.cli.tasks import takes
from attncli.cli.terminal import tell_error
from attncli.cli.writing import Write, WritingOptions, json_line, one_line, opened_output, refuse_input, writing
from attncli.errors import CommandError, DataError, counted, escaped
from attncli.machine.progress import Advance, beside_progress

if TYPE_CHECKING:
    from attncli.decoding.written import Written
    from attncli.runs.writing import WritingRun


@dataclass(frozen=True, kw_only=True)
class AnswerOptions(WritingOptions):
    """The options of `attncli answer`."""

    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="What RUN reads, in the order of its encoders, such as an image and a question; or a table of them, "
            ".tsv, .csv or .jsonl, `.gz` too, or - for standard input.",
            show_default=False,
        ),
    ]
    root: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="Where files are that a table names.",
            show_default="the current folder",
            rich_help_panel=INPUT,
        ),
    ] = Path()
    format: Annotated[
        Literal["text", "tsv", "jsonl"],
        typer.Option(
            help="An answer a line; a table of sources and answers; or JSON with hypotheses, scores and tokens.",
            rich_help_panel=OUTPUT,
        ),
    ] = "text"
    max_source_length: MaxSourceLength = None
    too_long: TooLong = None


@takes(AnswerOptions)
def answer(options: AnswerOptions) -> None:
    """Answer a question about an image, or every row of a table, with a trained RUN: one line for each.

    A table has the columns of the one that RUN was trained on: TSV and CSV name them in their first line, JSON Lines
    have them as keys, and others are ignored. A row that cannot be answered is reported on standard error with file and
    line; the others are still answered, its own line is empty (text) or left out, and the exit code is 1.
    With --n-best K there are K lines for each row.

    Example: attncli answer runs/flickr8k-qa photo.jpg "what is the boy holding ?"

    Example: attncli answer runs/flickr8k-qa questions.tsv --root images --format tsv --output answers.tsv

    Example: attncli answer runs/flickr8k-qa questions.jsonl --format jsonl --attention
    """
    from attncli.machine.progress import progress

    run = _opened(options)
    columns, table = columns_of(run.config), table_of(options.sources)
    if table is None:
        if options.root != AnswerOptions.root:
            raise CommandError("--root: says where the files of a table are, but no table is given; leave it out")
        rows = iter([given_row(options.sources, columns)])
    else:
        refuse_input(options.output, [0 if str(table) == STANDARD_INPUT else table])
        # The first is read before the output is opened, so that a wrong table leaves no output behind.
        rows = begun(rows_of_table(table, run.config, options.root))
    given = {"max_source_length": options.max_source_length, "too_long": options.too_long}
    with (
        writing(run, options, is_json=options.format == "jsonl", given=given) as write,
        opened_output(options.output) as stream,
        progress(None, "questions", shown=table is not None) as advance,
    ):
        if options.format == "tsv":
            stream.write("\t".join([*columns, "answer"]) + "\n")
        total = bad = 0
        for place, found in _answers(rows, write, run, advance):
            total, bad = total + 1, bad + (found.problem is not None)
            _put(place, found, stream, options)
    if bad:
        raise DataError(f"{bad} of {counted(total, 'question')} could not be answered")


def _opened(options: AnswerOptions) -> WritingRun:
    """Return the run of `options`; a CommandError says which command is for one that does not answer."""
    from attncli.config.tasks.answering import AnsweringConfig
    from attncli.config.writing import WritingConfig
    from attncli.runs.run import config_of
    from attncli.runs.writing import WritingRun

    config = config_of(options.run, WritingConfig)
    if not (isinstance(config, AnsweringConfig) or config.model.source.is_joint):
        raise CommandError(f"{options.run}: is a run of task {config.task}, and answers nothing; give one of answering")
    return WritingRun.load(
        options.run,
        config=config,
        device=options.device,
        checkpoint=options.checkpoint,
        ensemble=options.with_ or (),
    )


def _answers(rows: Iterator[Row], write: Write, run: WritingRun, advance: Advance) -> Iterator[tuple[str, Written]]:
    """Yield each of `rows` in its order: its place, with what is written for it or what is wrong."""
    from attncli.data.columns import Places
    from attncli.decoding.written import Written

    waiting: deque[Row] = deque()

    def readable() -> Iterator[Any]:
        for row in rows:
            waiting.append(row)
            if not row.problem:
                yield run.config.model.source.cell_of(row.cells)

    def bad() -> Iterator[tuple[str, Written]]:
        while waiting and waiting[0].problem:
            row = waiting.popleft()
            yield row.place, Written(row.cells, Places(), (), DataError(row.problem))

    for found in write(readable(), advance=advance):
        yield from bad()
        yield waiting.popleft().place, found
    yield from bad()


def _put(place: str, found: Written, stream: TextIO, options: AnswerOptions) -> None:
    """Write `found` to `stream` in the format that was asked for, or to standard error what is wrong with it."""
    if found.problem is not None:
        tell_error(f"{place}: {found.problem}" if place else found.problem)
    with beside_progress(stream):
        if options.format == "jsonl":
            stream.writelines([json_line(found, name="source")] if found.problem is None else [])
        elif options.format == "tsv":
            stream.writelines(_tsv_lines(found))
        else:
            texts = [one_line(hypothesis.text) for hypothesis in found.hypotheses]
            # As many lines for each row, so that they can be told apart.
            stream.writelines(f"{escaped(text)}\n" for text in texts + [""] * (options.n_best - len(texts)))


def _tsv_lines(found: Written) -> Iterator[str]:
    cells = [part.cell for part in found.parts.values()] or [found.cell]
    for hypothesis in found.hypotheses:
        yield "\t".join(escaped(one_line(cell)) for cell in [*cells, hypothesis.text]) + "\n"

"""`attncli translate`: translates the lines of a file or a pipe with a trained run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import typer

from attncli.cli.options import OUTPUT, MaxSourceLength, Shortlist, TooLong
from attncli.cli.tasks import takes
from attncli.cli.terminal import tell
from attncli.cli.writing import WritingOptions, json_line, one_line, opened_output, opened_run, refuse_input, writing

if TYPE_CHECKING:
    from attncli.decoding.written import Written

# Lines read together, so that those of similar length share a batch.
READ_AHEAD = 4096
STANDARD_INPUT = 0  # its descriptor


@dataclass(frozen=True, kw_only=True)
class TranslateOptions(WritingOptions):
    """The options of `attncli translate`."""

    input: Annotated[
        Path | None,
        typer.Argument(metavar="INPUT", help="Text, one sentence a line, `.gz` too.", show_default="standard input"),
    ] = None
    format: Annotated[
        Literal["text", "jsonl", "moses"],
        typer.Option(
            help="Lines of text; JSON with hypotheses, scores and tokens; or number of the line from 0, text, "
            "log-probability and score, with ||| between them.",
            rich_help_panel=OUTPUT,
        ),
    ] = "text"
    shortlist: Shortlist = None
    max_source_length: MaxSourceLength = None
    too_long: TooLong = None
    replace_unknown: Annotated[
        bool,
        typer.Option(
            "--replace-unknown",
            help="Replace each unknown token with the source word it attends to most.",
            rich_help_panel=OUTPUT,
        ),
    ] = False


@takes(TranslateOptions)
def translate(options: TranslateOptions) -> None:
    """Translate INPUT, or standard input, with a trained RUN: one line in, one line out.

    An empty line stays empty. A slow pipe is answered line by line, a file or a fast pipe in batches. On a terminal
    there is a prompt.
    With --n-best K there are K lines for each sentence.

    Example: echo "Ein Hund rennt." | attncli translate runs/multi30k-de-en

    Example: attncli translate runs/multi30k-de-en talk.de.gz --output talk.en --beam-size 10 --n-best 3
    """
    from attncli.errors import CommandError, counted
    from attncli.machine.progress import beside_progress, progress

    path = options.input
    if path is None and sys.stdin is None:
        raise CommandError("standard input is closed; name a file to translate")
    refuse_input(options.output, [STANDARD_INPUT if path is None else path])
    is_json = options.format == "jsonl"
    write_as_asked = writing(
        opened_run(options, command="translate"),
        options,
        is_json=is_json,
        given={
            "shortlist": options.shortlist,
            "max_source_length": options.max_source_length,
            "too_long": options.too_long,
        },
        replaces_unknown=options.replace_unknown,
    )
    unknown: list[int] = []
    shown = path is not None or not sys.stdin.isatty()
    with write_as_asked as write:
        total, chunks = count_of(path), chunks_of(path)
        # Read before the output is opened, so that a wrong input leaves no output behind.
        first = next(chunks, [])
        with opened_output(options.output) as stream, progress(total, "sentences", shown=shown) as advance:
            line = 0
            for lines in chain([first], chunks):
                for found in write(lines, first=line, advance=advance):
                    line += 1
                    with beside_progress(stream):
                        _put(found, stream, options, line=line)
                    if found.is_unknown:
                        unknown.append(line)
                stream.flush()
    if unknown:
        lines_without = (
            f"no word of {counted(len(unknown), 'line')} is known to the model, the first is line {unknown[0]}"
        )
        tell(f"attncli: {path or 'standard input'}: {lines_without}; is this the language that it translates from?")


def _put(found: Written, stream: TextIO, options: TranslateOptions, *, line: int) -> None:
    """Write `found` to `stream` in the format that was asked for; a DataError says what is wrong with the `line`."""
    from attncli.errors import DataError, escaped

    if found.problem is not None:
        raise DataError(f"{options.input or 'standard input'}: line {line}: {found.problem}")
    texts = [one_line(hypothesis.text) for hypothesis in found.hypotheses]
    if stream.isatty():
        # The vocabulary of a run from elsewhere may hold what a terminal obeys.
        texts = [escaped(text) for text in texts]
    if options.format == "jsonl":
        stream.write(json_line(found, name="source"))
    elif options.format == "moses":
        stream.writelines(
            f"{line - 1} ||| {text} ||| {hypothesis.log_prob:.6g} ||| {hypothesis.score:.6g}\n"
            for text, hypothesis in zip(texts, found.hypotheses, strict=True)
        )
    else:
        # As many lines for each source, so that they can be told apart.
        stream.writelines(f"{text}\n" for text in texts + [""] * (options.n_best - len(texts)))


def count_of(path: Path | None) -> int | None:
    """Return how many lines there are for a progress bar; None where that is not known, or nobody would see it."""
    from attncli.files.reading import count_lines
    from attncli.machine.progress import shows_progress
    from attncli.text.pipes import lines_left

    if not shows_progress():
        return None
    return count_lines(path) if path is not None else lines_left(sys.stdin.buffer)


def chunks_of(path: Path | None) -> Iterator[list[str]]:
    """Yield the lines of the file `path`, or of standard input as they come."""
    from attncli.cli.prompt import typed_lines
    from attncli.files.reading import read_lines
    from attncli.text.pipes import lines_as_they_come

    if path is not None:
        lines = read_lines(path)
        while chunk := list(islice(lines, READ_AHEAD)):
            yield chunk
    elif sys.stdin.isatty():
        for line in typed_lines():
            yield [line]
    else:
        yield from lines_as_they_come(sys.stdin.buffer, at_most=READ_AHEAD)

"""`attncli translate`: files and pipes through a trained run."""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import typer

from attncli.cli.options import BatchSize, BeamSize, Checkpoint, Device, LengthPenalty, RunArgument

if TYPE_CHECKING:
    from attncli.decoding.translator import Translation
    from attncli.runs.run import Run

# Lines read together, so that those of like length share a batch.
READ_AHEAD = 4096


def translate(
    run: RunArgument,
    input: Annotated[
        Path | None,
        typer.Argument(metavar="INPUT", help="Text, one sentence a line, `.gz` too; by default standard input."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write, `.gz` too; by default standard output.")
    ] = None,
    beam_size: BeamSize = None,
    length_penalty: LengthPenalty = None,
    max_length: Annotated[int | None, typer.Option(min=1, help="The most tokens of a translation.")] = None,
    max_source_length: Annotated[int | None, typer.Option(min=1, help="The most tokens of a source.")] = None,
    too_long: Annotated[Literal["error", "cut"], typer.Option(help="What to do about a longer source.")] = "error",
    batch_size: BatchSize = None,
    precision: Annotated[Literal["fp32", "bf16"] | None, typer.Option(help="Arithmetic of matrix products.")] = None,
    n_best: Annotated[int, typer.Option(min=1, help="Translations a sentence, best first.")] = 1,
    format: Annotated[
        Literal["text", "jsonl"], typer.Option(help="Lines of text, or JSON with hypotheses, scores and tokens.")
    ] = "text",
    attention: Annotated[bool, typer.Option("--attention", help="With jsonl: the attention's weights too.")] = False,
    replace_unknown: Annotated[
        bool, typer.Option("--replace-unknown", help="For an unknown token, write the source token most looked at.")
    ] = False,
    sample: Annotated[
        bool, typer.Option("--sample", help="Draw translations instead of searching for the best.")
    ] = False,
    temperature: Annotated[float, typer.Option(help="With --sample: below 1 draws likelier tokens more.")] = 1.0,
    seed: Annotated[int, typer.Option(help="With --sample: seed of the draws.")] = 1,
    checkpoint: Checkpoint = "best",
    device: Device = "auto",
) -> None:
    """Translate INPUT, or standard input, with a trained RUN: one line in, one line out, an empty one for an empty one.

    A terminal or a slow pipe is answered line by line, a file or a fast one in batches. With --n-best K the text has K
    lines a sentence.

    Example: echo "Ein Hund rennt." | attncli translate runs/multi30k-de-en

    Example: attncli translate runs/multi30k-de-en talk.de.gz --output talk.en --beam-size 10 --n-best 3
    """
    from attncli.decoding.search import BestK, Sampling
    from attncli.errors import CommandError
    from attncli.runs.run import Run

    if attention and format != "jsonl":
        raise CommandError("--attention writes weights into JSON; add --format jsonl")
    if not 0 < temperature < math.inf:
        raise CommandError(f"--temperature {temperature:g}: must be a number over 0")
    if sample and beam_size is not None:
        raise CommandError("--sample draws each translation on its own, without a beam; remove --beam-size")
    if input and output and output.exists() and output.samefile(input):
        raise CommandError(f"--output {output}: is the input; choose another file")
    loaded = Run.load(run, device=device, checkpoint=checkpoint)
    given = {
        # As many draws as are shown; of more the likeliest would be no draws.
        "beam_size": n_best if sample else beam_size,
        "length_penalty": length_penalty,
        "max_length": max_length,
        "max_source_length": max_source_length,
        "batch_size": batch_size,
        "precision": precision,
    }
    search = loaded.config.search.changed(given)
    if n_best > search.beam_size:
        raise CommandError(f"--n-best {n_best}: a beam of {search.beam_size} has no more; add --beam-size {n_best}")
    if (attention or replace_unknown) and loaded.config.model.attention == "none":
        option = "--attention" if attention else "--replace-unknown"
        raise CommandError(f"{option}: {run} has model.attention: none, so there are no weights")
    answer = partial(
        loaded.translate,
        search=search,
        n_best=n_best,
        too_long=too_long,
        with_weights=attention,
        replace_unknown=replace_unknown,
        strategy=Sampling(_generator(loaded, seed), temperature) if sample else BestK(search.length_penalty),
    )
    write = _write_json if format == "jsonl" else partial(_write_text, lines=n_best)
    chunks = _chunks(input)
    # Before the output is opened, that a wrong input leaves nothing behind.
    first = next(chunks, [])
    with _opened(output) as stream:
        line = 1
        for lines in chain([first], chunks):
            with _placed(str(input or "standard input")):
                for translation in answer(lines, first_line=line):
                    write(translation, stream)
            stream.flush()
            line += len(lines)


def _generator(run: Run, seed: int) -> Any:
    import torch

    return torch.Generator(run.model.device).manual_seed(seed)


def _chunks(path: Path | None) -> Iterator[list[str]]:
    """Yield the lines of the file `path`, or of standard input as they come."""
    from attncli.errors import CommandError
    from attncli.files import read_lines
    from attncli.text.pipes import lines_as_they_come

    if path is not None:
        lines = read_lines(path)
        while chunk := list(islice(lines, READ_AHEAD)):
            yield chunk
    elif sys.stdin is None:
        raise CommandError("standard input is closed; name a file to translate")
    else:
        yield from lines_as_they_come(sys.stdin.buffer, at_most=READ_AHEAD)


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    from attncli.files import open_output

    if output is not None:
        with open_output(output) as stream:
            yield stream
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # whatever the terminal's locale says, as the input is
    yield sys.stdout


@contextmanager
def _placed(place: str) -> Iterator[None]:
    """Begin the text of a DataError with `place`."""
    from attncli.errors import DataError

    try:
        yield
    except DataError as error:
        raise DataError(f"{place}: {error}") from None


def _write_text(translation: Translation, stream: TextIO, *, lines: int) -> None:
    """Write `lines` lines, the last ones empty where there are fewer translations."""
    texts = [hypothesis.text for hypothesis in translation.hypotheses]
    for text in texts + [""] * (lines - len(texts)):
        # A line of input is a line of output, whatever the model wrote.
        stream.write(" ".join(text.split()) + "\n")


def _write_json(translation: Translation, stream: TextIO) -> None:
    stream.write(json.dumps(translation.as_json(), ensure_ascii=False) + "\n")

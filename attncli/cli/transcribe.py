"""`attncli transcribe`: transcribes recordings and films with a trained run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from attncli.cli.files import text_lines, write_files
from attncli.cli.options import OUTPUT
from attncli.cli.tasks import takes
from attncli.cli.writing import WritingOptions, opened_run
from attncli.errors import CommandError, escaped, escaped_json

if TYPE_CHECKING:
    from attncli.decoding.written import Written


@dataclass(frozen=True, kw_only=True)
class TranscriptionOptions(WritingOptions):
    """The options of `attncli transcribe`."""

    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Recordings, or films for a RUN that reads lips, folders (with all of them inside), or patterns "
            "with *.",
            show_default=False,
        ),
    ]
    format: Annotated[
        Literal["tsv", "jsonl", "ctm"],
        typer.Option(
            help="Path, tab, transcript; JSON with hypotheses, scores, tokens and when each word was said; or a line "
            "for each word (NIST's CTM): recording, channel, start and length in seconds, word. Times are those at "
            "which attention lay.",
            rich_help_panel=OUTPUT,
        ),
    ] = "tsv"


@takes(TranscriptionOptions)
def transcribe(options: TranscriptionOptions) -> None:
    """Transcribe recordings or films with a trained RUN: one line for each, with its path, a tab and the transcript.

    WAV files of PCM are read as they are; FLAC, Ogg and others, and other sample rates than that of RUN, need
    pip install 'attncli[audio]'. A file that is not a recording is reported on standard error; the others are still
    transcribed, and the exit code is 1. With --n-best K there are K lines for each recording.

    Example: attncli transcribe runs/toy-speech recordings/ memo.wav --output transcripts.tsv

    Example: attncli transcribe runs/toy-speech memo.wav --format ctm

    Example: attncli transcribe runs/grid-s1-lips films/
    """
    run = opened_run(options, command="transcribe")
    if options.format == "tsv":
        lines, needs_weights = text_lines, options.attention
    else:
        lines, needs_weights = _lines_in_time(options), run.attends or options.attention
    if options.format == "ctm" and not run.attends:
        raise CommandError(f"--format ctm: {options.run} has model.attention: none, so no word has a time")
    if options.format == "ctm" and options.attention:
        raise CommandError("--attention writes weights into JSON; add --format jsonl")
    if options.format == "ctm" and options.n_best > 1:
        raise CommandError("--format ctm: has one transcript of a recording; leave out --n-best, or use --format jsonl")
    asked = replace(options, attention=needs_weights)
    is_json = options.format != "tsv"
    write_files(run, asked, options.paths, lines=lines, is_json=is_json, done="transcribed")


def _lines_in_time(options: TranscriptionOptions) -> Any:
    return _ctm_lines if options.format == "ctm" else partial(_json_lines, with_weights=options.attention)


def _json_lines(found: Written, *, with_weights: bool) -> Iterator[str]:
    """Yield a line of JSON with the words of every hypothesis in time; with its weights only if those are asked for."""
    from attncli.sources.words_in_time import spoken_words

    value = found.as_json(name="path")
    for number, (hypothesis, shown) in enumerate(zip(found.hypotheses, value["hypotheses"], strict=True)):
        if hypothesis.weights is not None and found.places.seconds is not None:
            shown["words"] = [word.as_json() for word in spoken_words(found, number)]
        if not with_weights:
            for key in ("attention", *({} if hypothesis.marks is None else hypothesis.marks.as_json())):
                shown.pop(key, None)
    yield escaped_json(json.dumps(value, ensure_ascii=False)) + "\n"


def _ctm_lines(found: Written) -> Iterator[str]:
    """Yield a line for each word of the best hypothesis; no field holds white space."""
    from attncli.sources.words_in_time import spoken_words

    name = "_".join(Path(found.cell).stem.split()) or "_"
    for word in spoken_words(found):
        yield f"{escaped(name)} 1 {word.start:.2f} {word.end - word.start:.2f} {escaped(word.text)}\n"

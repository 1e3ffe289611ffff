"""What `attncli translate`, `caption`, `transcribe` and `answer` share."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TextIO

import typer

from attncli.cli.options import (
    OUTPUT,
    SAMPLING,
    SEARCH,
    BatchSize,
    BeamSize,
    Checkpoint,
    CTCWeight,
    Device,
    LengthPenalty,
    OutputFile,
    Patience,
    Precision,
    RunArgument,
    With,
    Workers,
    as_text,
    searched,
    searched_by,
)
from attncli.errors import CommandError, escaped_json
from attncli.machine.progress import Advance

if TYPE_CHECKING:
    from attncli.config.writing import WritingConfig
    from attncli.decoding.strategies import Strategy
    from attncli.decoding.written import Written
    from attncli.runs.writing import WritingRun


@dataclass(frozen=True, kw_only=True)
class WritingOptions:
    """The options of all."""

    run: RunArgument
    with_: With = None
    output: OutputFile = None
    beam_size: BeamSize = None
    length_penalty: LengthPenalty = None
    patience: Patience = None
    ctc_weight: CTCWeight = None
    max_length: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="The most tokens to write for a source.",
            show_default=searched("max_length", 200),
            rich_help_panel=SEARCH,
        ),
    ] = None
    min_length: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="The fewest tokens to write for a source.",
            show_default=searched("min_length", 1),
            rich_help_panel=SEARCH,
        ),
    ] = None
    no_repeat_ngram_size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Write no N tokens in a row twice for a source.",
            show_default=searched("no_repeat_ngram_size", "no limit"),
            rich_help_panel=SEARCH,
        ),
    ] = None
    prefix: Annotated[
        str, typer.Option(metavar="TEXT", help="What every target begins with.", rich_help_panel=SEARCH)
    ] = ""
    batch_size: BatchSize = None
    precision: Precision = None
    workers: Workers = None
    n_best: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Hypotheses to write for each source, best first.", rich_help_panel=OUTPUT
        ),
    ] = 1
    attention: Annotated[
        bool,
        typer.Option("--attention", help="With jsonl: also write attention weights.", rich_help_panel=OUTPUT),
    ] = False
    sample: Annotated[
        bool,
        typer.Option("--sample", help="Sample from the model instead of searching.", rich_help_panel=SAMPLING),
    ] = False
    temperature: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            help="With --sample: values below 1 favour the likelier tokens.",
            show_default="1",
            rich_help_panel=SAMPLING,
        ),
    ] = None
    top_k: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            min=1,
            help="With --sample: draw among the K likeliest tokens.",
            show_default="all tokens",
            rich_help_panel=SAMPLING,
        ),
    ] = None
    top_p: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            help="With --sample: draw among the likeliest tokens with probability P together.",
            show_default="all tokens",
            rich_help_panel=SAMPLING,
        ),
    ] = None
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", help="With --sample: random seed.", show_default="1", rich_help_panel=SAMPLING),
    ] = None
    checkpoint: Checkpoint = "best"
    device: Device = "auto"


_DRAWING = ("temperature", "top_k", "top_p", "seed")


class Write(Protocol):
    """Writes for sources, in their order."""

    def __call__(self, cells: Iterable[str], *, first: int = 0, advance: Advance) -> Iterator[Written]:
        """Yield what is written for each of `cells`, of which `first` came before; `advance` is told how many are done.

        What is drawn depends on `first`.
        """


def opened_run(options: WritingOptions, *, command: str) -> WritingRun:
    """Return the run of `options`; a CommandError says which command is for one that is none of `command`."""
    from attncli.config.writing import WritingConfig
    from attncli.runs.run import config_of
    from attncli.runs.writing import WritingRun

    config = config_of(options.run, WritingConfig)
    if (meant := command_of(config)) != command:
        raise CommandError(f"{options.run}: this run reads {config.model.source.noun}s; use attncli {meant}")
    return WritingRun.load(
        options.run,
        config=config,
        device=options.device,
        checkpoint=options.checkpoint,
        ensemble=options.with_ or (),
    )


_COMMANDS = {"transcription": "transcribe", "classification": "classify"}


def command_of(config: WritingConfig) -> str:
    """Return the name of the command that writes for runs of `config`."""
    if config.model.source.is_joint:
        return "answer"
    if config.task in _COMMANDS:
        return _COMMANDS[config.task]
    return "translate" if config.model.source.is_text else "caption"


@contextmanager
def writing(
    run: WritingRun,
    options: WritingOptions,
    *,
    is_json: bool,
    given: Mapping[str, Any] | None = None,
    replaces_unknown: bool = False,
) -> Iterator[Write]:
    """Yield a function that writes for sources as `options` ask; `given` are further search settings."""
    if options.attention and not is_json:
        raise CommandError("--attention writes weights into JSON; add --format jsonl")
    _check_sampling(options)
    changes = {
        # As many draws as are shown: the likeliest of more draws would not be draws from the model.
        "beam_size": options.n_best if options.sample else options.beam_size,
        "length_penalty": options.length_penalty,
        "patience": options.patience,
        "ctc_weight": options.ctc_weight,
        "max_length": options.max_length,
        "min_length": options.min_length,
        "no_repeat_ngram_size": options.no_repeat_ngram_size,
        "batch_size": options.batch_size,
        "precision": options.precision,
        **(given or {}),
    }
    search = searched_by(run.config.search, changes, options={"beam_size": "--n-best"} if options.sample else None)
    if options.n_best > search.beam_size:
        raise CommandError(
            f"--n-best {options.n_best}: a beam of {search.beam_size} has no more; add --beam-size {options.n_best}"
        )
    if (options.attention or replaces_unknown) and not run.attends:
        option = "--attention" if options.attention else "--replace-unknown"
        raise CommandError(f"{option}: {options.run} has model.attention: none, so there are no weights")
    asked: dict[str, Any] = {
        "n_best": options.n_best,
        "with_weights": options.attention,
        "replaces_unknown": replaces_unknown,
        "strategy": _strategy(options),
        "prefix": as_text("--prefix", options.prefix),
    }
    with run.writer(search).side_by_side(options.workers) as writer:
        yield partial(writer.write, **asked)


def _check_sampling(options: WritingOptions) -> None:
    for name in _DRAWING:
        if getattr(options, name) is not None and not options.sample:
            raise CommandError(f"--{name.replace('_', '-')} is for drawing; add --sample")
    for name in ("beam_size", "patience"):
        if options.sample and getattr(options, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise CommandError(f"--sample draws each hypothesis on its own, without a beam; remove {option}")


def _strategy(options: WritingOptions) -> Strategy | None:
    if not options.sample:
        return None
    from attncli.decoding.strategies import drawing

    asked = {name: getattr(options, name) for name in _DRAWING}
    return drawing(**asked, named=lambda name: f"--{name.replace('_', '-')}")


def refuse_input(output: Path | None, inputs: Iterable[Path | int]) -> None:
    """Raise a CommandError if the file `output` is one of `inputs`, paths or open descriptors, by whatever name."""
    from attncli.files.reading import is_file

    if output is None or not is_file(output):
        return  # a terminal or a pipe may well be both
    for given in inputs:
        try:
            is_same = os.path.samestat(output.stat(), os.stat(given))  # noqa: PTH116 - of a descriptor, too
        except OSError:
            continue  # what cannot be read says so when it is opened
        if is_same:
            raise CommandError(f"--output {output}: is the input; choose another file")


def json_line(found: Written, *, name: str) -> str:
    """Return `found` as a line of JSON, its source under `name`."""
    return escaped_json(json.dumps(found.as_json(name=name), ensure_ascii=False)) + "\n"


def one_line(text: str) -> str:
    """Return `text` as one line, whatever the model wrote."""
    return " ".join(text.split())


@contextmanager
def opened_output(output: Path | None) -> Iterator[TextIO]:
    """Open the file `output`, or standard output, for text in UTF-8; the file is replaced when all is written."""
    from attncli.files.writing import open_output

    if output is not None:
        with open_output(output) as stream:
            yield stream
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Whatever the terminal's locale says, as the input is.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    yield sys.stdout

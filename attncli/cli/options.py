"""Options shared by several commands."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from attncli.cli.completion import (
    complete_checkpoint,
    complete_config,
    complete_device,
    complete_override,
    complete_run,
)
from attncli.errors import CommandError

if TYPE_CHECKING:
    from attncli.config.search import Search

INPUT, DRAWING, OUTPUT, SCORES, SEARCH, SAMPLING, MACHINE = HEADINGS = (
    "Input",
    "What is drawn",
    "Output",
    "Scores",
    "Search",
    "Sampling",
    "Model and machine",
)
"""Headings of groups of options in the help, in its order."""


def searched(key: str, default: object) -> str:
    """Return the default of an option that is left out, in words: the `key` of the run's search settings."""
    return f"the run's search.{key}, else {default}"


Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda[:N]",
        help="Where to compute.",
        rich_help_panel=MACHINE,
        autocompletion=complete_device,
    ),
]
Checkpoint = Annotated[
    str,
    typer.Option(
        "--checkpoint",
        metavar="NAME",
        help="Which weights: best, last, or kept/NAME as the run's folder has them.",
        rich_help_panel=MACHINE,
        autocompletion=complete_checkpoint,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set any key of the configuration, such as training.max_steps=100; repeat for more.",
        autocompletion=complete_override,
    ),
]
RunArgument = Annotated[
    Path,
    typer.Argument(metavar="RUN", help="Folder of a trained run.", show_default=False, autocompletion=complete_run),
]
With = Annotated[
    list[Path] | None,
    typer.Option(
        "--with",
        metavar="RUN",
        help="Another run of the same vocabulary, whose probabilities are averaged with RUN's; repeat for more. "
        "Search settings and attention are RUN's.",
        rich_help_panel=MACHINE,
        autocompletion=complete_run,
    ),
]
ConfigArgument = Annotated[
    Path,
    typer.Argument(
        metavar="CONFIG",
        help="A YAML file, or the name of a shipped configuration (`attncli config new`).",
        show_default=False,
        autocompletion=complete_config,
    ),
]
OutputFile = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Where to write, `.gz` too.",
        show_default="standard output",
        rich_help_panel=OUTPUT,
    ),
]
BeamSize = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Hypotheses kept for each source; 1 is greedy.",
        show_default=searched("beam_size", 5),
        rich_help_panel=SEARCH,
    ),
]
LengthPenalty = Annotated[
    float | None,
    typer.Option(
        metavar="ALPHA",
        min=0.0,
        help="Exponent α of the length penalty.",
        show_default=searched("length_penalty", 1.0),
        rich_help_panel=SEARCH,
    ),
]
Patience = Annotated[
    float | None,
    typer.Option(
        metavar="P",
        min=1.0,
        help="End when P times as many hypotheses have finished as the beam has: faster, and exact without.",
        show_default=searched("patience", "no limit"),
        rich_help_panel=SEARCH,
    ),
]
CTCWeight = Annotated[
    float | None,
    typer.Option(
        "--ctc-weight",
        metavar="WEIGHT",
        min=0.0,
        max=1.0,
        help="Share of CTC beside the decoder in the score of a target, where RUN has it (model.ctc).",
        show_default=searched("ctc_weight", "model.ctc.weight"),
        rich_help_panel=SEARCH,
    ),
]
Shortlist = Annotated[
    int | None,
    typer.Option(
        metavar="K",
        min=0,
        help="Write only the 1,000 most frequent tokens and K likely translations of each source token: faster, and "
        "with 5 about as good; 0 writes anything.",
        show_default=searched("shortlist", 0),
        rich_help_panel=SEARCH,
    ),
]
MaxSourceLength = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="The most tokens in a source.",
        show_default=searched("max_source_length", "no limit"),
        rich_help_panel=SEARCH,
    ),
]
TooLong = Annotated[
    Literal["error", "cut"] | None,
    typer.Option(
        help="Whether to stop at a longer source or truncate it.",
        show_default=searched("too_long", "error"),
        rich_help_panel=SEARCH,
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Sources decoded together.",
        show_default=searched("batch_size", 64),
        rich_help_panel=MACHINE,
    ),
]
Precision = Annotated[
    Literal["fp32", "bf16"] | None,
    typer.Option(
        help="Arithmetic of matrix products.", show_default=searched("precision", "fp32"), rich_help_panel=MACHINE
    ),
]

Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        help="Decode in N processes of one thread each, on a CPU; the output is the same for any N. More than one pays "
        "from some hundred sources on, or some dozen images.",
        show_default="one process, with all threads",
        rich_help_panel=MACHINE,
    ),
]


def searched_by(search: Search, given: Mapping[str, Any], *, options: Mapping[str, str] | None = None) -> Search:
    """Return `search` with those of `given` that are not None.

    Raises a CommandError that names the option of a value which a configuration could not have either: the one of the
    key's name, unless it is in `options`.
    """
    from pydantic import ValidationError

    from attncli.config.problems import explained
    from attncli.config.search import Search

    try:
        changed = search.changed(given)
    except ValidationError as error:
        problems = [explained(detail, Search, dict(given)) for detail in error.errors()]
        raise CommandError(*(_as_option(problem, options or {}) for problem in problems)) from None
    if given.get("too_long") is not None and changed.max_source_length is None:
        raise CommandError(
            "--too-long: no source is too long without a limit, search.max_source_length; set one or leave this out"
        )
    return changed


def _as_option(problem: str, options: Mapping[str, str]) -> str:
    key, colon, what = problem.partition(":")
    # A problem of several keys together names them itself.
    option = options.get(key, f"--{key.replace('_', '-')}")
    return f"{option}:{what}" if colon else problem


def as_text(option: str, value: str) -> str:
    """Return the `value` of `option` as text, in whatever locale it was given; a CommandError if it is not UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        # Python holds bytes that its locale cannot decode, all but ASCII in the locale C, as halves of characters.
        try:
            return os.fsencode(value).decode()
        except UnicodeDecodeError:
            raise CommandError(f"{option} {value!r}: not UTF-8") from None
    return value

"""Options shared by several commands."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from attncli.errors import CommandError

if TYPE_CHECKING:
    from attncli.config.search import Search

Device = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda[:N]", help="Where to compute.")]
Checkpoint = Annotated[
    str, typer.Option("--checkpoint", help="Which weights: best, last, or kept/NAME as the run's folder has them.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set any key of CONFIG, such as training.max_steps=100."),
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a trained run.", show_default=False)]
With = Annotated[
    list[Path] | None,
    typer.Option(
        "--with",
        metavar="RUN",
        help="Another run of the same vocabulary, whose probabilities are averaged with RUN's; repeat for more. "
        "Search settings and attention are RUN's.",
    ),
]
ConfigArgument = Annotated[
    Path,
    typer.Argument(
        metavar="CONFIG",
        help="A YAML file, or the name of a shipped configuration (`attncli config new`).",
        show_default=False,
    ),
]
BeamSize = Annotated[int | None, typer.Option(min=1, help="Hypotheses kept for each source; 1 is greedy.")]
LengthPenalty = Annotated[float | None, typer.Option(min=0.0, help="Exponent α of the length penalty.")]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Sources decoded together.")]
Precision = Annotated[Literal["fp32", "bf16"] | None, typer.Option(help="Arithmetic of matrix products.")]


def searched_by(search: Search, given: Mapping[str, Any], *, options: Mapping[str, str] | None = None) -> Search:
    """Return `search` with those of `given` that are not None.

    Raises a CommandError that names the option of a value which a configuration could not have either: the one of the
    key's name, unless it is in `options`.
    """
    from pydantic import ValidationError

    from attncli.config.problems import explained
    from attncli.config.search import Search

    try:
        return search.changed(given)
    except ValidationError as error:
        problems = [explained(detail, Search, dict(given)) for detail in error.errors()]
        raise CommandError(*(_as_option(problem, options or {}) for problem in problems)) from None


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

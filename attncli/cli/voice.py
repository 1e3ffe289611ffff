"""The options --quiet and --verbose, which every command takes: how much it says besides its results."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from attncli.cli.terminal import tell, want_notes
from attncli.errors import CommandError
from attncli.machine.memory import peak_resident_memory
from attncli.machine.progress import want_progress

_verbose = False


def _set_quiet(quiet: bool) -> bool:
    want_progress(not quiet)
    want_notes(not quiet)
    return quiet


def _set_verbose(verbose: bool) -> bool:
    global _verbose
    _verbose = verbose
    return verbose


Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", callback=_set_quiet, help="Say nothing but results and errors.", show_default=False),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        callback=_set_verbose,
        help="Say how long it took and in how much memory; show the traceback of an internal error.",
        show_default=False,
    ),
]


def is_verbose() -> bool:
    """Tell whether the command was asked to say more."""
    return _verbose


def voiced(function: Callable[..., None]) -> Callable[..., None]:
    """Return the command `function` with the options --quiet and --verbose."""

    @wraps(function)
    def call(*, quiet: bool, verbose: bool, **given: Any) -> None:
        if quiet and verbose:
            raise CommandError("--quiet and --verbose are opposites; give one of them")
        began = time.perf_counter()
        function(**given)
        if verbose:
            peak = peak_resident_memory() / 2**20
            tell(f"took {time.perf_counter() - began:.2f} s and at most {peak:,.0f} MiB of memory")

    signature = inspect.signature(function, eval_str=True)
    shared = {"quiet": Quiet, "verbose": Verbose}
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=option)
        for name, option in shared.items()
    ]
    parameters = [*signature.parameters.values(), *added]
    call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {each.name: each.annotation for each in parameters}
    return call

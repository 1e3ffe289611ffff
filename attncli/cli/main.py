"""The `attncli` command: its subcommands, and how every one of them ends."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import attncli
from attncli.cli import config, data
from attncli.cli.eval import evaluate
from attncli.cli.files import caption
from attncli.cli.lines import translate
from attncli.cli.train import train
from attncli.cli.visualize import visualize
from attncli.errors import UserError
from attncli.machine.allocator import bound_kernel_caches, keep_freed_memory

app = typer.Typer(
    help="Train and evaluate attention encoder-decoders: a YAML file says what.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train")(train)
app.command("eval")(evaluate)
app.command("translate")(translate)
app.command("caption")(caption)
app.command("visualize")(visualize)
app.add_typer(data.app, name="data")
app.add_typer(config.app, name="config")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"attncli {attncli.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; a mistake of the user becomes one message and an exit code, never a traceback.

    Typer itself ends quietly when the reader of a pipe has gone (1) and on an interrupt (130).
    """
    bound_kernel_caches()
    keep_freed_memory()
    try:
        app(prog_name="attncli")
    except UserError as error:
        print(f"attncli: {error}", file=sys.stderr)
        sys.exit(error.exit_code)

"""The `attncli` command: its subcommands, and how every one of them ends."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated, NoReturn

import typer

import attncli
from attncli.cli import config, data
from attncli.cli.answer import answer
from attncli.cli.classify import classify
from attncli.cli.compare import compare
from attncli.cli.completion import completing
from attncli.cli.eval import evaluate
from attncli.cli.files import caption
from attncli.cli.help import Command, Group
from attncli.cli.lines import translate
from attncli.cli.score import score
from attncli.cli.terminal import open_streams, say, tell_error
from attncli.cli.together import dealt
from attncli.cli.train import train
from attncli.cli.transcribe import transcribe
from attncli.cli.visualize import visualize
from attncli.cli.voice import is_verbose, voiced
from attncli.errors import UserError
from attncli.machine.allocator import bound_kernel_caches, keep_freed_memory

app = typer.Typer(
    cls=Group,
    help="""Train and evaluate attention encoder-decoders: a YAML file says what.

To begin, make sentences of an artificial language, train a translator of it, and score what it learned, in minutes.

Example: attncli data make toy-translation

Example: attncli train toy-translation

Example: attncli eval runs/toy-translation
""",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train", cls=Command)(voiced(train))
app.command("eval", cls=Command)(voiced(dealt(evaluate)))
app.command("compare", cls=Command)(voiced(compare))
app.command("translate", cls=Command)(voiced(dealt(translate)))
app.command("caption", cls=Command)(voiced(dealt(caption)))
app.command("transcribe", cls=Command)(voiced(dealt(transcribe)))
app.command("answer", cls=Command)(voiced(dealt(answer)))
app.command("classify", cls=Command)(voiced(dealt(classify)))
app.command("score", cls=Command)(voiced(dealt(score)))
app.command("visualize", cls=Command)(voiced(visualize))
app.add_typer(data.app, name="data")
app.add_typer(config.app, name="config")


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"attncli {attncli.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    pass


_OUT_OF_MEMORY = "out of memory; smaller batches, beams or models need less"


def main() -> None:
    """Run the command line; whatever goes wrong becomes one message and an exit code, never a traceback.

    Typer itself ends quietly when the reader of a pipe has gone (1) and on an interrupt (130). With --verbose,
    or with ATTNCLI_TRACEBACK=1 in the environment, an error of the program or of the system also shows its traceback.
    """
    open_streams()
    bound_kernel_caches()
    keep_freed_memory()
    try:
        try:
            with completing():
                app(prog_name="attncli")
        finally:
            sys.stdout.flush()  # here, where a failure still becomes a message
    except UserError as error:
        tell_error(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(1)
    except MemoryError:
        _fail(_OUT_OF_MEMORY)
    except OSError as error:
        # What the system refuses is no error of the program, wherever it asked.
        where = "" if error.filename is None else f"{error.filename}: "
        _fail(f"{where}{error.strerror or error}")
    except Exception as error:
        # PyTorch's error has a class of its own on CUDA, and on CPUs nothing but its words.
        if type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error):
            _fail(_OUT_OF_MEMORY)
        said = " ".join([f"{type(error).__name__}:", *str(error).splitlines()[:1]])
        _fail(f"internal error: {said}; please report it in the issue tracker with the output of --verbose")


def _fail(message: str) -> NoReturn:
    if is_verbose() or os.environ.get("ATTNCLI_TRACEBACK") == "1":
        traceback.print_exc()
    tell_error(message)
    sys.exit(1)

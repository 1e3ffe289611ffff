"""`attncli config`: start one, check it, show it whole, print its schema."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attncli.cli.completion import complete_shipped, complete_task
from attncli.cli.data import missing_data
from attncli.cli.help import Command, Group
from attncli.cli.options import ConfigArgument, Overrides
from attncli.cli.terminal import say, tell
from attncli.cli.voice import voiced

if TYPE_CHECKING:
    from attncli.config.load import Config

app = typer.Typer(cls=Group, help="Start, check and show configurations.", no_args_is_help=True)


@app.command(cls=Command)
@voiced
def new(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="Which to start from.", show_default="list them", autocompletion=complete_shipped
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Where to write it.", show_default="NAME.yaml"),
    ] = None,
) -> None:
    """Write the shipped configuration NAME into FILE, to be changed; without NAME, list all, and the sets of them.

    Each can also be used by its name wherever a configuration is expected, and each set by `attncli compare`.

    Example: attncli config new toy-translation mine.yaml
    """
    from attncli.config.shipped import hint_for, shipped_file
    from attncli.config.starting import starting_text
    from attncli.errors import CommandError, shortened

    if name is None:
        _list_shipped()
        return
    source = shipped_file(name)
    if source is None:
        raise CommandError(f"{shortened(name)}: no shipped configuration{hint_for(name)}")
    place = file or Path(f"{source.stem}.yaml")
    text = starting_text(source, name, file=place)
    try:
        with place.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise CommandError(f"{place}: exists; remove it, or name another FILE") from None
    say(f"wrote {place}")


def _list_shipped() -> None:
    from attncli.config.shipped import shipped_names, shipped_sets, summary_of

    names = shipped_names()
    _list("configurations, for `attncli train NAME` and `attncli config new NAME`", [n for n in names if "/" not in n])
    for name in shipped_sets():
        say("")
        _list(f"`attncli compare {name}`: {summary_of(name)}", [n for n in names if n.startswith(f"{name}/")])


def _list(heading: str, names: Sequence[str]) -> None:
    from attncli.config.shipped import summary_of

    width = max(map(len, names))
    say(heading, *(f"  {name:<{width}}  {summary_of(name)}" for name in names))


@app.command(cls=Command)
@voiced
def check(config: ConfigArgument, overrides: Overrides = None) -> None:
    """Check CONFIG; print the parameters of each part and, roughly, the memory of a training step.

    A file or folder that CONFIG names and that does not exist is reported, and the exit code is 1.

    Example: attncli config check toy-translation --set model.encoder.hidden_size=256
    """
    from attncli.assembly.summary import summarise
    from attncli.config.load import read_config
    from attncli.errors import DataError, counted

    checked = read_config(config, overrides or ())
    summary = summarise(checked)
    missing = [f"{config}: {problem}" for problem in missing_data(checked)]
    width = max(map(len, [*summary.parameters, *summary.bytes]))
    ok = "the keys are ok" if missing else "ok"
    say(f"{config}: {ok}, {counted(summary.total, 'parameter')}, {_update(checked)} an update")
    say(f"parameters ({summary.condition})" if summary.condition else "parameters")
    for part, count in summary.parameters.items():
        say(f"  {part:<{width}}  {count:>12,}")
    say(f"  {'total':<{width}}  {summary.total:>12,}")
    say("memory of a training step, roughly")
    for part, size in summary.bytes.items():
        say(f"  {part:<{width}}  {size / 2**20:>8,.0f} MiB")
    for warning in checked.warnings():
        tell(f"warning: {warning}")
    if missing:
        raise DataError(*missing)


def _update(config: Config) -> str:
    """Return what an update of the weights reads."""
    from attncli.config.objectives import SelfCritical
    from attncli.config.writing import WritingConfig
    from attncli.errors import counted

    training = config.training
    if not isinstance(config, WritingConfig):
        return f"up to {counted(config.training.batch_size * training.accumulate, 'example')}"
    if isinstance(config.training.objective, SelfCritical):
        return f"up to {counted((config.training.batch_sentences or 0) * training.accumulate, 'source')}"
    return f"up to {counted(config.training.batch_tokens * training.accumulate, 'token')}"


@app.command(cls=Command)
@voiced
def show(config: ConfigArgument, overrides: Overrides = None) -> None:
    """Print CONFIG whole, with overrides applied and every default filled in.

    Example: attncli config show toy-translation --set training.seed=2
    """
    from attncli.config.dump import to_yaml
    from attncli.config.load import read_config

    print(to_yaml(read_config(config, overrides or ())), end="")


@app.command(cls=Command)
@voiced
def schema(
    task: Annotated[
        str | None,
        typer.Argument(
            metavar="TASK",
            help="Of this task alone: translation, captioning or autoencoding.",
            show_default="all",
            autocompletion=complete_task,
        ),
    ] = None,
) -> None:
    """Print the JSON Schema of configuration files, by which editors complete and check them.

    Example: attncli config schema > attncli.schema.json
    """
    from attncli.config.load import CONFIGS
    from attncli.config.schema import schema_text
    from attncli.errors import CommandError, unknown

    if task is not None and task not in CONFIGS:
        raise CommandError(unknown("task", task, CONFIGS))
    say(*schema_text(task).rstrip("\n").split("\n"))

"""`attncli config`: check a configuration, show it whole, print its schema."""

from __future__ import annotations

import typer

from attncli.cli.options import ConfigArgument, Overrides
from attncli.cli.terminal import say, tell
from attncli.cli.voice import voiced

app = typer.Typer(help="Look at configurations: check, show, schema.", no_args_is_help=True)


@app.command()
@voiced
def check(config: ConfigArgument, overrides: Overrides = None) -> None:
    """Check CONFIG; print the parameters of each part and, roughly, the memory of a training step.

    A file or folder that CONFIG names and that does not exist is reported, and the exit code is 1.

    Example: attncli config check configs/toy-translation.yaml --set model.encoder.hidden_size=256
    """
    from attncli.assembly.summary import summarise
    from attncli.config.load import read_config
    from attncli.config.paths import missing_paths
    from attncli.errors import DataError

    checked = read_config(config, overrides or ())
    summary = summarise(checked)
    missing = [f"{config}: {problem}" for problem in missing_paths(checked)]
    width = max(map(len, [*summary.parameters, *summary.bytes]))
    say(f"{config}: the keys are ok" if missing else f"{config}: ok")
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


@app.command()
@voiced
def show(config: ConfigArgument, overrides: Overrides = None) -> None:
    """Print CONFIG whole, with overrides applied and every default filled in.

    Example: attncli config show configs/toy-translation.yaml --set training.seed=2
    """
    from attncli.config.dump import to_yaml
    from attncli.config.load import read_config

    print(to_yaml(read_config(config, overrides or ())), end="")


@app.command()
@voiced
def schema() -> None:
    """Print the JSON Schema of configuration files, by which editors complete and check them.

    Example: attncli config schema > attncli.schema.json
    """
    import json

    from attncli.config.dump import json_schema

    say(*json.dumps(json_schema(), indent=2, ensure_ascii=False).split("\n"))

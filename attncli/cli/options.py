"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Device = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda[:N]", help="Where to compute.")]
Checkpoint = Annotated[
    str, typer.Option("--checkpoint", help="Which weights: best, last, or kept/NAME as the run's folder has them.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set any key of CONFIG, such as training.max_steps=100."),
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a trained run.", show_default=False)]
ConfigArgument = Annotated[Path, typer.Argument(metavar="CONFIG", help="The YAML file.", show_default=False)]

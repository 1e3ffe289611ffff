"""The option --corruption: what is done to the input of autoencoders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from attncli.cli.completion import complete_corruption
from attncli.cli.options import INPUT
from attncli.cli.tasks import Only
from attncli.errors import CommandError

if TYPE_CHECKING:
    from attncli.config.tasks.autoencoding import GaussianNoise, Masking

Corruption = Annotated[
    str | None,
    typer.Option(
        metavar="KIND:AMOUNT",
        help="Autoencoders: what is done to corrupted input: gaussian:DEVIATION, masking:SHARE or none.",
        show_default="the run's evaluation.corruption, else its training.corruption",
        rich_help_panel=INPUT,
        autocompletion=complete_corruption,
    ),
    Only(("autoencoding",)),
]


def parse_corruption(text: str) -> GaussianNoise | Masking | None:
    """Return the corruption that `text` asks for."""
    from attncli.config.tasks.autoencoding import GaussianNoise, Masking

    kind, _, amount = text.partition(":")
    try:
        if text == "none":
            return None
        if kind == "gaussian":
            return GaussianNoise(deviation=float(amount))
        if kind == "masking":
            return Masking(share=float(amount))
    except ValueError:
        pass  # of float, and pydantic's, which is one
    raise CommandError(
        f"--corruption {text}: expected none, gaussian:DEVIATION with a number over 0, or masking:SHARE with one "
        "between 0 and 1, such as gaussian:0.2"
    )

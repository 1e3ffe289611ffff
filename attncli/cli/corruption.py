"""The option --corruption: what is done to the input of autoencoders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attncli.errors import CommandError

if TYPE_CHECKING:
    from attncli.config.tasks.autoencoding import GaussianNoise, Masking

HELP = "what is done to corrupted input: gaussian:DEVIATION, masking:SHARE or none."


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

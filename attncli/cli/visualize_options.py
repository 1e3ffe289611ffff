"""The options of `attncli visualize`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from attncli.cli.corruption import HELP
from attncli.cli.options import BeamSize, Checkpoint, Device, LengthPenalty
from attncli.cli.tasks import WRITING, Only


@dataclass(frozen=True, kw_only=True)
class VisualizationOptions:
    """The options of `attncli visualize`."""

    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Folder of a trained run; several with --gradients.", show_default=False),
    ]
    text: Annotated[
        list[str] | None, typer.Option(help="A sentence to translate; repeat for more."), Only(("text",))
    ] = None
    input: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Sentences to translate, one a line; `.gz` too."),
        Only(("text",)),
    ] = None
    target: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="Align with this target instead of searching for one; one for each source."),
        Only(WRITING),
    ] = None
    image: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            help="An image, folder or pattern with * to caption; for autoencoders, an image to reconstruct. Repeat for "
            "more.",
        ),
        Only(("files", "autoencoding")),
    ] = None
    test: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="With --gradients, the test set to measure on instead of the dev set. For autoencoders, the test set "
            "of the images.",
        ),
        Only(("text", "autoencoding")),
    ] = None
    corruption: Annotated[
        str | None, typer.Option(metavar="KIND:AMOUNT", help=f"Autoencoders: {HELP}"), Only(("autoencoding",))
    ] = None
    curves: Annotated[bool, typer.Option("--curves", help="Plot the training curves instead.")] = False
    self_attention: Annotated[
        bool,
        typer.Option("--self-attention", help="Draw where each sequence attends to itself (lstmn, transformer)."),
        Only(WRITING),
    ] = False
    heads: Annotated[
        bool, typer.Option("--heads", help="Draw the heads of a transformer decoder side by side."), Only(WRITING)
    ] = False
    layer: Annotated[
        int | None,
        typer.Option(min=1, help="The layer that --self-attention and --heads draw, the top one by default."),
        Only(WRITING),
    ] = None
    gradients: Annotated[
        bool,
        typer.Option("--gradients", help="Plot the norm of the loss's gradient at each encoder state, for all RUNs."),
        Only(("text",)),
    ] = False
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Where to write.  [default: RUN/visualization]"),
    ] = None
    format: Annotated[
        str | None, typer.Option(metavar="png|svg|html|json", help="Drawings, a page, or numbers.  [default: png]")
    ] = None
    beam_size: Annotated[BeamSize, Only(WRITING)] = None
    length_penalty: Annotated[LengthPenalty, Only(WRITING)] = None
    checkpoint: Checkpoint = "best"
    device: Device = "auto"

    @property
    def folder(self) -> Path:
        """Where to write."""
        return self.output or self.runs[0] / "visualization"

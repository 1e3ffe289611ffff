"""The options of `attncli visualize`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from attncli.cli.completion import choices, complete_run, complete_test
from attncli.cli.corruption import Corruption
from attncli.cli.options import DRAWING, INPUT, OUTPUT, BeamSize, Checkpoint, CTCWeight, Device, LengthPenalty
from attncli.cli.tasks import WRITING, Only


@dataclass(frozen=True, kw_only=True)
class VisualizationOptions:
    """The options of `attncli visualize`."""

    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN",
            help="Folder of a trained run; several with --gradients.",
            show_default=False,
            autocompletion=complete_run,
        ),
    ]
    text: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="A sentence to translate; repeat for more.", rich_help_panel=INPUT),
        Only(("text",)),
    ] = None
    input: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Sentences to translate, one a line, or a table of several sources (.tsv, .csv, .jsonl); `.gz` too.",
            rich_help_panel=INPUT,
        ),
        Only(("text", "sources")),
    ] = None
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Where a run reads several sources: one of them, such as image=photo.png or question=TEXT; one for "
            "each name, and again for more.",
            rich_help_panel=INPUT,
        ),
        Only(("sources",)),
    ] = None
    root: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="Where files are that a table of --input names.",
            show_default="the current folder",
            rich_help_panel=INPUT,
        ),
        Only(("sources",)),
    ] = Path()
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="Align with this target instead of searching for one; one for each source.",
            rich_help_panel=INPUT,
        ),
        Only(WRITING),
    ] = None
    image: Annotated[
        list[Path] | None,
        typer.Option(
            "--image",
            "--recording",
            metavar="PATH",
            help="An image, film or recording to write for, a folder of them (or of the frames of a film), or a "
            "pattern with *; for autoencoders, an image to reconstruct. Repeat for more.",
            rich_help_panel=INPUT,
        ),
        Only(("files", "autoencoding")),
    ] = None
    test: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="With --gradients, the test set to measure on instead of the dev set. For autoencoders, the test set "
            "of the images; dev is the dev set.",
            rich_help_panel=INPUT,
            autocompletion=complete_test,
        ),
        Only(("text", "autoencoding")),
    ] = None
    corruption: Corruption = None
    curves: Annotated[
        bool, typer.Option("--curves", help="Plot the training curves instead.", rich_help_panel=DRAWING)
    ] = False
    self_attention: Annotated[
        bool,
        typer.Option(
            "--self-attention",
            help="Draw where each sequence attends to itself (lstmn, transformer).",
            rich_help_panel=DRAWING,
        ),
        Only(WRITING),
    ] = False
    heads: Annotated[
        bool,
        typer.Option("--heads", help="Draw the heads of a transformer decoder side by side.", rich_help_panel=DRAWING),
        Only(WRITING),
    ] = False
    layer: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="The layer that --self-attention and --heads draw.",
            show_default="the top one",
            rich_help_panel=DRAWING,
        ),
        Only(WRITING),
    ] = None
    gradients: Annotated[
        bool,
        typer.Option(
            "--gradients",
            help="Plot the norm of the loss's gradient at each encoder state, for all RUNs.",
            rich_help_panel=DRAWING,
        ),
        Only(("text",)),
    ] = False
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Where to write.",
            show_default="RUN/visualization",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    format: Annotated[
        str | None,
        typer.Option(
            metavar="png|svg|pdf|html|json",
            help="Drawings, a page, or numbers.",
            show_default="png",
            rich_help_panel=OUTPUT,
            autocompletion=choices("png", "svg", "pdf", "html", "json"),
        ),
    ] = None
    scale: Annotated[
        Literal["own", "shared"],
        typer.Option(
            help="Whether the strongest shade is the largest weight of a drawing (of a word over an image), or of all "
            "drawings.",
            rich_help_panel=DRAWING,
        ),
        Only(WRITING),
    ] = "own"
    colormap: Annotated[
        Literal["plasma", "viridis", "brightness"],
        typer.Option(
            help="Colours of the weights over an image; brightness keeps the image's own.", rich_help_panel=DRAWING
        ),
        Only(("files", "sources")),
    ] = "plasma"
    beam_size: Annotated[BeamSize, Only(WRITING)] = None
    length_penalty: Annotated[LengthPenalty, Only(WRITING)] = None
    ctc_weight: Annotated[CTCWeight, Only(WRITING)] = None
    checkpoint: Checkpoint = "best"
    device: Device = "auto"

    @property
    def folder(self) -> Path:
        """Where to write."""
        return self.output or self.runs[0] / "visualization"

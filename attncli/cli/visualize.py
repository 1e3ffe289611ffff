"""`attncli visualize`: drawings of what a run has learned, and of how its training went."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attncli.cli.corruption import HELP
from attncli.cli.options import BeamSize, Checkpoint, Device, LengthPenalty
from attncli.cli.tasks import WRITING, Only, check_alone, check_meaning, family_of, takes
from attncli.errors import CommandError, unknown

if TYPE_CHECKING:
    from attncli.config.load import Config

_DRAWN = ("png", "svg")


@dataclass(frozen=True, kw_only=True)
class VisualizationOptions:
    """What `attncli visualize` takes."""

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


@takes(VisualizationOptions)
def visualize(options: VisualizationOptions) -> None:
    """Draw where the attention of RUN looks: a row for each token of the output, a column for each of the source.

    For a captioner, draw each image once a word, and several images with their captions on contact sheets too.

    For an autoencoder, draw reconstructions next to those of PCA, a walk between two images, the weights of its first
    layer, and its code if that has two numbers.

    Example: attncli visualize runs/multi30k-de-en --text "Ein Hund rennt." --output drawings

    Example: attncli visualize runs/multi30k-de-en --text "Ein Hund rennt." --target "A dog is running."

    Example: attncli visualize runs/transformer --text "Ein Hund rennt." --self-attention --heads

    Example: attncli visualize runs/multi30k-de-en --curves

    Example: attncli visualize runs/toy-captioning --image photos/ --output drawings

    Example: attncli visualize runs/autoencoder-denoising --corruption gaussian:0.3

    --gradients shows how the gradient vanishes on its way back through a recurrent encoder (Hochreiter 1991; Bengio et
    al. 1994; Pascanu et al. 2013), and what attention does about it. The loss is the mean of -log p a target token, the
    state that of the top layer's forward direction, an LSTM's cell included. Drawn are median and quartiles of the
    gradient's L2 norm over the 100 pairs with the longest sources, all counted back from the last state; with attention
    also the part that comes through later states, without the direct way from the decoder.

    Example: attncli visualize runs/rnn runs/lstm runs/lstm-attention --gradients --output drawings
    """
    if len(options.runs) > 1 and not options.gradients:
        raise CommandError(f"RUN: {len(options.runs)} are given, but only --gradients draws several; give one")
    family, task = family_of(options.runs)
    if options.curves:
        check_alone("--curves", options, draws="the training log", takes={"curves", "format"})
        typer.echo(f"wrote {_draw_curves(options)}")
        return
    check_meaning(options, family, task)
    if family == "autoencoding":
        from attncli.cli.visualize_autoencoding import visualize_autoencoding

        visualize_autoencoding(options)
    else:
        from attncli.cli.visualize_writing import visualize_writing

        visualize_writing(options, is_text=family == "text")


def _draw_curves(options: VisualizationOptions) -> Path:
    if options.format in ("html", "json"):
        raise CommandError(
            f"--curves: drawn as png or svg, not {options.format}; the numbers are in the run's log.jsonl"
        )
    if options.format not in (None, *_DRAWN):
        raise CommandError(f"--format: {unknown('value', options.format, _DRAWN)}")

    from attncli.drawing.figures import save_figure
    from attncli.files import writing_into
    from attncli.runs.folder import RunFolder
    from attncli.runs.log import read_log
    from attncli.visualization.curves import curves_figure

    run = RunFolder(options.runs[0])
    log = read_log(run.path)
    loss, metric = _measured(run.config())
    figure = curves_figure(log, title=run.path.resolve().name, loss=loss, metric=metric)
    path = options.folder / f"curves.{options.format or 'png'}"
    with writing_into(options.folder):
        save_figure(figure, path)
    return path


def _measured(config: Config) -> tuple[str, str]:
    """Return what the loss of a run counts, and the score that is drawn: the one that chose its checkpoint if any."""
    from attncli.config.writing import WritingConfig

    if not isinstance(config, WritingConfig):
        return "squared error a component", "loss"
    metric = config.training.validation.metric
    return config.training.objective.loss, config.measured[0] if metric == "loss" else metric

"""`attncli visualize`: pictures of what a run has learned, and of how its training went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from attncli.cli.corruption import HELP
from attncli.cli.options import BeamSize, Checkpoint, Device, LengthPenalty
from attncli.cli.tasks import TaskCommand, VisualizationOptions, check_alone, one_task
from attncli.cli.visualize_autoencoding import visualize_autoencoding
from attncli.cli.visualize_captioning import captioning_loss, visualize_captioning
from attncli.cli.visualize_translation import visualize_translation
from attncli.errors import CommandError, unknown

VISUALIZATIONS: dict[str, TaskCommand[Sequence[Path], VisualizationOptions]] = {
    "translation": TaskCommand(
        frozenset(
            {
                *("text", "input", "target", "format", "beam_size", "length_penalty"),
                *("self_attention", "heads", "layer", "gradients", "test"),
            }
        ),
        visualize_translation,
    ),
    "captioning": TaskCommand(frozenset({"image", "format", "beam_size", "length_penalty"}), visualize_captioning),
    "autoencoding": TaskCommand(frozenset({"image", "test", "corruption", "format"}), visualize_autoencoding),
}
LOSSES: dict[str, Callable[[Path], str]] = {
    "translation": lambda run: "nats a token",
    "captioning": captioning_loss,
    "autoencoding": lambda run: "squared error a component",
}
"""From the folder of a run to what its loss counts, where curves are drawn."""

_PICTURES = ("png", "svg")


def visualize(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN", help="Folder of a trained run; more than one with --gradients.", show_default=False
        ),
    ],
    text: Annotated[list[str] | None, typer.Option(help="A sentence to translate; again for more.")] = None,
    input: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Sentences to translate, one a line; `.gz` too.")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="Align with this translation instead of searching one; one a sentence."),
    ] = None,
    image: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            help="A picture, folder or pattern with * to caption, or with autoencoders a picture to reconstruct; again "
            "for more.",
        ),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="With --gradients, the test set to measure on, else the dev set. Autoencoders: that of the pictures.",
        ),
    ] = None,
    corruption: Annotated[str | None, typer.Option(metavar="KIND:AMOUNT", help=f"Autoencoders: {HELP}")] = None,
    curves: Annotated[bool, typer.Option("--curves", help="Draw the curves of the training instead.")] = False,
    self_attention: Annotated[
        bool, typer.Option("--self-attention", help="Draw where each sentence looks at itself (lstmn, transformer).")
    ] = False,
    heads: Annotated[
        bool, typer.Option("--heads", help="Draw the heads of a transformer decoder side by side.")
    ] = False,
    layer: Annotated[
        int | None, typer.Option(min=1, help="The layer that --self-attention and --heads draw; the top one else.")
    ] = None,
    gradients: Annotated[
        bool,
        typer.Option(
            "--gradients",
            help="Draw the norm of the loss's gradient at each encoder state instead, of all RUNs together.",
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Where to write.  [default: RUN/visualization]"),
    ] = None,
    format: Annotated[
        str | None, typer.Option(metavar="png|svg|html|json", help="Pictures, a page, or numbers.  [default: png]")
    ] = None,
    beam_size: BeamSize = None,
    length_penalty: LengthPenalty = None,
    checkpoint: Checkpoint = "best",
    device: Device = "auto",
) -> None:
    """Draw where the attention of RUN looks: a row for each word of the output, a column for each of the source.

    Of a captioner, draw each picture once a word, and several pictures with their captions on contact sheets too.

    Of an autoencoder, draw reconstructions beside those of PCA, a walk between two pictures, the weights of its first
    layer, and its code where that has two numbers.

    Example: attncli visualize runs/multi30k-de-en --text "Ein Hund rennt." --output pictures

    Example: attncli visualize runs/multi30k-de-en --text "Ein Hund rennt." --target "A dog is running."

    Example: attncli visualize runs/transformer --text "Ein Hund rennt." --self-attention --heads

    Example: attncli visualize runs/multi30k-de-en --curves

    Example: attncli visualize runs/toy-captioning --image photos/ --output pictures

    Example: attncli visualize runs/autoencoder-denoising --corruption gaussian:0.3

    --gradients shows how the gradient vanishes on its way back through a recurrent encoder (Hochreiter 1991; Bengio et
    al. 1994; Pascanu et al. 2013), and what attention does about it. The loss is the mean of -log p a target token, the
    state that of the top layer's forward direction, an LSTM's cell included. Drawn are median and quartiles of the
    gradient's L2 norm over the 100 pairs with the longest sources, all counted back from the last state; with attention
    also the part that comes through later states, without the direct way from the decoder.

    Example: attncli visualize runs/rnn runs/lstm runs/lstm-attention --gradients --output pictures
    """
    options = VisualizationOptions(
        output=output or runs[0] / "visualization",
        format=format,
        checkpoint=checkpoint,
        device=device,
        text=tuple(text or ()),
        input=tuple(input or ()),
        target=tuple(target or ()),
        image=tuple(image or ()),
        self_attention=self_attention,
        heads=heads,
        layer=layer,
        gradients=gradients,
        test=test,
        corruption=corruption,
        beam_size=beam_size,
        length_penalty=length_penalty,
    )
    if len(runs) > 1 and not gradients:
        raise CommandError(f"RUN: {len(runs)} are given, but only --gradients draws several together; give one")
    task = one_task(runs, VISUALIZATIONS)
    if curves:
        check_alone("--curves", options, draws="the training log", takes={"format"})
        _check_format(options.format)
        typer.echo(f"wrote {_draw_curves(runs[0], options, task=task)}")
    else:
        VISUALIZATIONS[task](runs, options, task=task)


def _check_format(format: str | None) -> None:
    if format in ("html", "json"):
        raise CommandError(f"--curves: drawn as png or svg, not {format}; the numbers are in the run's log.jsonl")
    if format not in (None, *_PICTURES):
        raise CommandError(f"--format: {unknown('value', format, _PICTURES)}")


def _draw_curves(run: Path, options: VisualizationOptions, *, task: str) -> Path:
    from attncli.drawing.figures import save_figure
    from attncli.files import writing_into
    from attncli.runs.log import read_log
    from attncli.visualization.curves import curves_figure

    path = options.output / f"curves.{options.format or 'png'}"
    figure = curves_figure(read_log(run), title=run.resolve().name, loss=LOSSES[task](run))
    with writing_into(options.output):
        save_figure(figure, path)
    return path

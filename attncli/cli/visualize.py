"""`attncli visualize`: pictures of what a run has learned, and of how its training went."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attncli.cli.corruption import HELP
from attncli.cli.options import Checkpoint, Device, RunArgument
from attncli.cli.tasks import TaskCommand, VisualizationOptions, task_of
from attncli.cli.visualize_autoencoding import visualize_autoencoding
from attncli.cli.visualize_captioning import visualize_captioning
from attncli.cli.visualize_translation import visualize_translation
from attncli.errors import CommandError, unknown

VISUALIZATIONS: dict[str, TaskCommand[Path, VisualizationOptions]] = {
    "translation": TaskCommand(
        frozenset({"text", "input", "target", "format", "beam_size", "length_penalty"}), visualize_translation
    ),
    "captioning": TaskCommand(frozenset({"image", "format", "beam_size", "length_penalty"}), visualize_captioning),
    "autoencoding": TaskCommand(frozenset({"image", "test", "corruption", "format"}), visualize_autoencoding),
}
# What a loss is, where curves are drawn.
LOSSES = {"translation": "nats a token", "captioning": "nats a token", "autoencoding": "squared error a component"}

_PICTURES = ("png", "svg")


def visualize(
    run: RunArgument,
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
            metavar="PATH", help="A picture to caption or, with autoencoders, to reconstruct; again for more."
        ),
    ] = None,
    test: Annotated[
        str | None, typer.Option(metavar="NAME", help="Autoencoders: the test set that other pictures come from.")
    ] = None,
    corruption: Annotated[str | None, typer.Option(metavar="KIND:AMOUNT", help=f"Autoencoders: {HELP}")] = None,
    curves: Annotated[bool, typer.Option("--curves", help="Draw the curves of the training instead.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Where to write.  [default: RUN/visualization]"),
    ] = None,
    format: Annotated[
        str | None, typer.Option(metavar="png|svg|html|json", help="Pictures, a page, or numbers.  [default: png]")
    ] = None,
    beam_size: Annotated[int | None, typer.Option(min=1, help="Hypotheses kept a sentence; 1 is greedy.")] = None,
    length_penalty: Annotated[float | None, typer.Option(min=0.0, help="Exponent α of the length penalty.")] = None,
    checkpoint: Checkpoint = "best",
    device: Device = "auto",
) -> None:
    """Draw where the attention of RUN looks: a row for each word of the output, a column for each of the source.

    Of an autoencoder, draw reconstructions beside those of PCA, a walk between two pictures, the weights of its first
    layer, and its code where that has two numbers.

    Example: attncli visualize runs/multi30k-de-en --text "Ein Hund rennt." --output pictures

    Example: attncli visualize runs/multi30k-de-en --text "Ein Hund rennt." --target "A dog is running."

    Example: attncli visualize runs/multi30k-de-en --curves

    Example: attncli visualize runs/autoencoder-denoising --corruption gaussian:0.3
    """
    options = VisualizationOptions(
        output=output or run / "visualization",
        format=format,
        checkpoint=checkpoint,
        device=device,
        text=tuple(text or ()),
        input=tuple(input or ()),
        target=tuple(target or ()),
        image=tuple(image or ()),
        test=test,
        corruption=corruption,
        beam_size=beam_size,
        length_penalty=length_penalty,
    )
    task = task_of(run, VISUALIZATIONS)
    if curves:
        _check_alone(options)
        typer.echo(f"wrote {_draw_curves(run, options, loss=LOSSES[task])}")
    else:
        VISUALIZATIONS[task](run, options, task=task)


def _check_alone(options: VisualizationOptions) -> None:
    given = [
        f"--{name}" for name in ("text", "input", "target", "image", "test", "corruption") if getattr(options, name)
    ]
    if given:
        raise CommandError(f"--curves: draws the training log, so {given[0]} means nothing here; leave one of them out")
    if options.format in ("html", "json"):
        raise CommandError(
            f"--curves: drawn as png or svg, not {options.format}; the numbers are in the run's log.jsonl"
        )
    if options.format not in (None, *_PICTURES):
        raise CommandError(f"--format: {unknown('value', options.format, _PICTURES)}")


def _draw_curves(run: Path, options: VisualizationOptions, *, loss: str) -> Path:
    from attncli.visualization.curves import curves_figure
    from attncli.visualization.figures import save_figure, writing_into
    from attncli.visualization.log import read_log

    path = options.output / f"curves.{options.format or 'png'}"
    figure = curves_figure(read_log(run), title=run.resolve().name, loss=loss)
    with writing_into(options.output):
        save_figure(figure, path)
    return path

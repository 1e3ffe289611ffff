"""`attncli visualize`: draws what a run has learned and how its training went."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from attncli.cli.tasks import check_alone, check_meaning, runs_in, takes
from attncli.cli.terminal import say
from attncli.cli.visualize_options import VisualizationOptions
from attncli.errors import CommandError, escaped, unknown

if TYPE_CHECKING:
    from attncli.config.load import Config

_DRAWN = ("png", "svg", "pdf")


@takes(VisualizationOptions)
def visualize(options: VisualizationOptions) -> None:
    """Draw where the attention of RUN looks: a row for each token of the output, a column for each of the source.

    For a captioner, draw each image once a word, and several images with their captions on contact sheets too.

    For several sources, such as an image and a question, draw each under the weights of each token.

    For an autoencoder, draw reconstructions next to those of PCA, a walk between two images, the weights of its first
    layer, and its code if that has two numbers.

    Example: attncli visualize runs/multi30k-de-en --text "Ein Hund rennt." --output drawings

    Example: attncli visualize runs/multi30k-de-en --text "Ein Hund rennt." --target "A dog is running."

    Example: attncli visualize runs/transformer --text "Ein Hund rennt." --self-attention --heads

    Example: attncli visualize runs/multi30k-de-en --curves

    Example: attncli visualize runs/toy-captioning --image photos/ --output drawings

    Example: attncli visualize runs/flickr8k-qa --source image=photo.jpg --source question="where is the dog ?"

    Example: attncli visualize runs/autoencoder-denoising --corruption gaussian:0.3

    --gradients shows how the gradient vanishes on its way back through a recurrent encoder (Hochreiter 1991; Bengio et
    al. 1994; Pascanu et al. 2013), and what attention does about it. The loss is the mean of -log p a target token, the
    state that of the top layer's forward direction, an LSTM's cell included. Drawn are median and quartiles of the
    gradient's L2 norm over the 100 pairs with the longest sources, all counted back from the last state; with attention
    also the part that comes through later states, without the direct way from the decoder.

    Example: attncli visualize runs/rnn runs/lstm runs/lstm-attention --gradients --output drawings
    """
    if len(options.runs) > 1 and not options.gradients:
        raise CommandError(f"RUN: {len(options.runs)} are given, but only --gradients draws several together; give one")
    runs = runs_in(options.runs)
    if options.curves:
        check_alone("--curves", options, draws="the training log", takes={"curves", "format"})
        say(f"wrote {_draw_curves(options, runs.config)}")
        return
    check_meaning(options, runs)
    if runs.family == "autoencoding":
        from attncli.cli.visualize_autoencoding import visualize_autoencoding

        visualize_autoencoding(options)
    else:
        from attncli.cli.visualize_writing import visualize_writing

        visualize_writing(options, runs)


def _draw_curves(options: VisualizationOptions, config: Config | None) -> Path:
    if options.format in ("html", "json"):
        raise CommandError(
            f"--curves: drawn as png, svg or pdf, not {options.format}; the numbers are in the run's log.jsonl"
        )
    if options.format not in (None, *_DRAWN):
        raise CommandError(f"--format: {unknown('value', options.format, _DRAWN)}")

    from attncli.drawing.figures import save_figure
    from attncli.files.writing import writing_into
    from attncli.runs.log import read_log
    from attncli.visualization.curves import curves_figure

    [run] = options.runs
    loss, metric = _measured(config)
    figure = curves_figure(read_log(run), title=escaped(run.resolve().name), loss=loss, metric=metric)
    path = options.folder / f"curves.{options.format or 'png'}"
    with writing_into(options.folder):
        save_figure(figure, path)
    return path


def _measured(config: Config | None) -> tuple[str, str]:
    """Return the unit of a run's loss, and the score to draw: the one that chose its checkpoint, if one did."""
    from attncli.config.writing import WritingConfig

    if config is None:
        return "nats a token", "bleu"
    if not isinstance(config, WritingConfig):
        return "squared error a component", "loss"
    metric = config.training.validation.metric
    return config.training.objective.loss, config.measured[0] if metric == "loss" else metric

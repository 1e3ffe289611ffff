"""`attncli visualize` for autoencoders: reconstructions, a walk in the code, the code itself and the first weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attncli.cli.corruption import parse_corruption
from attncli.cli.terminal import say
from attncli.errors import CommandError, unknown

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from attncli.cli.visualize_options import VisualizationOptions
    from attncli.config.tasks.autoencoding import GaussianNoise, Masking
    from attncli.evaluation.pca import PCA
    from attncli.runs.autoencoding import AutoencoderRun
    from attncli.sources.rows.examples import Examples

_FORMATS = ("png", "svg", "pdf")
_SHOWN = 8  # examples of the test set that are drawn


def visualize_autoencoding(options: VisualizationOptions) -> None:
    """Draw how the run reconstructs the named images, or those of a test set, and what it has learned."""
    suffix = options.format or "png"
    if suffix not in _FORMATS:
        raise CommandError(f"--format: {unknown('value', suffix, _FORMATS)}; the numbers are in the report of eval")
    corruption = parse_corruption(options.corruption) if options.corruption is not None else None

    from attncli.drawing.figures import save_figure
    from attncli.files.writing import writing_into
    from attncli.runs.autoencoding import AutoencoderRun

    [run] = options.runs
    loaded = AutoencoderRun.load(run, device=options.device, checkpoint=options.checkpoint)
    if options.corruption is None:
        corruption = loaded.config.eval_corruption
    _check_used(loaded, options)
    found = _figures(loaded, options, corruption)
    with writing_into(options.folder):
        for name, figure in found.items():
            path = options.folder / f"{name}.{suffix}"
            save_figure(figure, path)
            say(f"wrote {path}")


def _check_used(run: AutoencoderRun, options: VisualizationOptions) -> None:
    """Raise a CommandError for a given option that would change no figure of `run`."""
    from attncli.config.tasks.autoencoding import PictureData

    has_pictures, draws_codes = isinstance(run.config.data, PictureData), run.config.model.bottleneck == 2
    for option, value in (("--image", options.image), ("--corruption", options.corruption)):
        if value is not None and not has_pictures:
            raise CommandError(f"{option}: reconstructions are drawn of images, but {run.folder} is of vectors")
    if options.test is not None and options.image and not draws_codes:
        raise CommandError("--test: names the images to draw, as --image does; leave one of them out")


def _figures(
    run: AutoencoderRun, options: VisualizationOptions, corruption: GaussianNoise | Masking | None
) -> dict[str, Figure]:
    from attncli.config.tasks.autoencoding import DenseModel, PictureData
    from attncli.visualization import autoencoders as draw

    figures: dict[str, Figure] = {}
    examples = _examples(run, options)
    if isinstance(run.config.data, PictureData):
        shown = _shown(run, examples, options)
        figures["reconstructions"] = draw.reconstructions_figure(run, shown, pca=_pca(run), corruption=corruption)
        if len(shown) > 1:
            figures["walk"] = draw.walk_figure(run, shown[0], shown[1])
        if isinstance(run.config.model, DenseModel):
            figures["weights"] = draw.weights_figure(run)
    if run.config.model.bottleneck == 2:
        figures["code"] = draw.code_figure(run, examples)
    if not figures:
        raise CommandError(
            f"{run.folder}: nothing to draw: its data are vectors, and its code has {run.config.model.bottleneck} "
            "numbers; a code of two is drawn, and --curves draws the training"
        )
    return figures


def _examples(run: AutoencoderRun, options: VisualizationOptions) -> Examples:
    """Return the examples of the test set, or those of the dev set where the configuration names no test set."""
    from attncli.data.forms.forms import split_of
    from attncli.evaluation.test_set import DEV, chosen_split
    from attncli.sources.rows.batches import read_examples

    data = run.config.data
    name = next(iter(data.test), DEV) if options.test is None else options.test
    _, key = chosen_split(data, name, where=run.folder)
    return read_examples(run.config, split_of(data, key))


def _shown(run: AutoencoderRun, examples: Examples, options: VisualizationOptions) -> list[Tensor]:
    """Return the rows [D] to draw: the images that were named, or the first of `examples`."""
    import torch

    from attncli.config.tasks.autoencoding import PictureData
    from attncli.sources.rows.examples import WHITE, read_image

    data = run.config.data
    assert isinstance(data, PictureData)
    if not options.image:
        return list(examples.rows(slice(0, _SHOWN)))
    return [torch.tensor(read_image(path, data)).float() / WHITE for path in options.image]


def _pca(run: AutoencoderRun) -> PCA:
    from attncli.evaluation.pca import principal_components
    from attncli.sources.rows.batches import read_examples

    return principal_components(read_examples(run.config, run.config.data.train))

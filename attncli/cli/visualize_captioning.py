"""`attncli visualize` for captioning: where each word of a caption looked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from attncli.cli.tasks import VisualizationOptions
from attncli.errors import CommandError, RunError, unknown

if TYPE_CHECKING:
    from attncli.run import CaptionRun
    from attncli.visualization.regions import LookedAt

_FORMATS = ("png", "svg", "json")


def captioning_loss(run: Path) -> str:
    """Return what the loss of `run` counts."""
    from attncli.config.captioning import CaptioningConfig
    from attncli.run import config_of

    return config_of(run, CaptioningConfig).training.objective.loss


def visualize_captioning(runs: Sequence[Path], options: VisualizationOptions) -> None:
    """Caption the pictures that `options` name, and draw them with the weights of every word."""
    format = options.format or "png"
    if format not in _FORMATS:
        raise CommandError(f"--format: {unknown('value', format, _FORMATS)}")
    if not options.image:
        raise CommandError("nothing to draw; give --image PATH (a picture or a folder), or --curves")

    from attncli.run import CaptionRun

    run = runs[0]
    loaded = CaptionRun.load(run, device=options.device, checkpoint=options.checkpoint)
    if loaded.config.model.attention == "none":
        raise RunError(
            f"{run}: there are no weights to draw: the model has attention: none, so its decoder looks at no region in "
            "particular; choose a run trained with an attention"
        )
    found = _looked_at(loaded, options)
    for path in _write(found, options.output, format):
        typer.echo(f"wrote {path}")


def _looked_at(run: CaptionRun, options: VisualizationOptions) -> list[LookedAt]:
    from attncli.cli.caption import picture_files
    from attncli.config.search import Search
    from attncli.data.pictures import read_picture
    from attncli.data.placement import place
    from attncli.visualization.regions import LookedAt

    given = {"beam_size": options.beam_size, "length_penalty": options.length_penalty}
    changed = {key: value for key, value in given.items() if value is not None}
    search = Search.model_validate({**run.config.search.model_dump(), **changed})
    files = picture_files([str(path) for path in options.image])
    drawn = []
    for found in run.caption(files, search=search, with_weights=True):
        if found.problem is not None:
            typer.echo(f"attncli: {found.problem}", err=True)
            continue
        best, picture = found.hypotheses[0], read_picture(found.path)
        assert best.weights is not None, "a decoder with an attention reports weights"
        placement = place(picture.size, run.config.model.encoder.preprocessing)
        drawn.append(
            LookedAt(found.path, picture, placement, best.text, best.tokens, best.weights, best.log_prob, best.marks)
        )
    if not drawn:
        raise RunError("none of the files is a picture, so nothing was drawn")
    return drawn


def _write(found: list[LookedAt], folder: Path, format: str) -> list[Path]:
    from attncli.visualization.figures import save_figure, writing_into
    from attncli.visualization.fonts import fonts_for
    from attncli.visualization.labels import readable
    from attncli.visualization.regions import json_text, regions_figure

    with writing_into(folder):
        if format == "json":
            (folder / "attention.json").write_text(json_text(found), encoding="utf-8")
            return [folder / "attention.json"]
        fonts = fonts_for(label for each in found for label in readable(each.tokens))
        paths = []
        for number, each in enumerate(found, start=1):
            path = folder / f"attention-{number:0{len(str(len(found)))}}-{each.path.stem}.{format}"
            save_figure(regions_figure(each, fonts), path)
            paths.append(path)
        return paths

"""`attncli visualize` for captioning: where each word of a caption looked, and contact sheets of captions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from attncli.cli.tasks import VisualizationOptions
from attncli.errors import CommandError, DataError, RunError, unknown

if TYPE_CHECKING:
    from attncli.drawing.fonts import Fonts
    from attncli.runs.run import CaptionedFile, CaptionRun
    from attncli.sources.images.contact_sheet import Captioned
    from attncli.sources.images.regions import LookedAt

_FORMATS = ("png", "svg", "json")


def captioning_loss(run: Path) -> str:
    """Return what the loss of `run` counts."""
    from attncli.config.tasks.captioning import CaptioningConfig
    from attncli.runs.run import config_of

    return config_of(run, CaptioningConfig).training.objective.loss


def visualize_captioning(runs: Sequence[Path], options: VisualizationOptions) -> None:
    """Caption the pictures that `options` name, and draw each with the weights of every word, and all on a sheet.

    A file that is no picture is told on standard error, the rest goes on, and a DataError is raised at the end.
    """
    format = options.format or "png"
    if format not in _FORMATS:
        raise CommandError(f"--format: {unknown('value', format, _FORMATS)}")
    if not options.image:
        raise CommandError("nothing to draw; give --image PATH (a picture or a folder), or --curves")

    from attncli.cli.caption import picture_files
    from attncli.files import writing_into
    from attncli.runs.run import CaptionRun

    files = picture_files([str(path) for path in options.image])
    run = CaptionRun.load(runs[0], device=options.device, checkpoint=options.checkpoint)
    if not _has_weights(run):
        _tell_of_no_weights(run, format)
    captioned = _captioned(run, files, options)
    with writing_into(options.output):
        for path in _write(run, captioned, options.output, format):
            typer.echo(f"wrote {path}")
    if len(captioned) < len(files):
        raise DataError(f"{len(files) - len(captioned)} of {len(files)} files could not be drawn")


def _has_weights(run: CaptionRun) -> bool:
    return run.config.model.attention != "none"


def _tell_of_no_weights(run: CaptionRun, format: str) -> None:
    """Say that only captions can be drawn, or raise a RunError where weights are all that was asked for."""
    problem = (
        f"{run.folder}: there are no weights to draw: the model has attention: none, so its decoder looks at no region "
        "in particular"
    )
    if format == "json":
        raise RunError(f"{problem}; choose a run trained with an attention, or write its captions with attncli caption")
    typer.echo(f"attncli: {problem}; the contact sheet shows its captions alone", err=True)


def _captioned(run: CaptionRun, files: Sequence[Path], options: VisualizationOptions) -> list[CaptionedFile]:
    """Return the files with their captions, without those that are no pictures, which are told."""
    given = {"beam_size": options.beam_size, "length_penalty": options.length_penalty}
    search = run.config.search.changed(given)
    found = []
    for each in run.caption(files, search=search, with_weights=_has_weights(run)):
        if each.problem is None:
            found.append(each)
        else:
            typer.echo(f"attncli: {each.problem}", err=True)
    if not found:
        raise RunError("none of the files is a picture, so nothing was drawn")
    return found


def _write(run: CaptionRun, captioned: Sequence[CaptionedFile], folder: Path, format: str) -> Iterator[Path]:
    """Write what there is to draw, and yield the paths. Pictures are read once more, so that never many are held."""
    from attncli.sources.images.regions import json_text

    if format == "json":
        path = folder / "attention.json"
        path.write_text(json_text(_looked_at(run, each) for each in captioned), encoding="utf-8")
        yield path
        return
    fonts = _fonts(captioned)
    if _has_weights(run):
        yield from _write_regions(run, captioned, fonts, folder, format)
    if len(captioned) > 1 or not _has_weights(run):
        yield from _write_sheets(captioned, fonts, folder, format)


def _fonts(captioned: Sequence[CaptionedFile]) -> Fonts:
    from attncli.drawing.fonts import fonts_for
    from attncli.drawing.labels import readable

    best = [each.hypotheses[0] for each in captioned]
    return fonts_for(text for each in best for text in (each.text, *readable(each.tokens)))


def _write_regions(
    run: CaptionRun, captioned: Sequence[CaptionedFile], fonts: Fonts, folder: Path, format: str
) -> Iterator[Path]:
    from attncli.drawing.figures import save_figure
    from attncli.sources.images.regions import regions_figure

    digits = len(str(len(captioned)))
    for number, each in enumerate(captioned, start=1):
        path = folder / f"attention-{number:0{digits}}-{each.path.stem}.{format}"
        save_figure(regions_figure(_looked_at(run, each), fonts), path)
        yield path


def _looked_at(run: CaptionRun, found: CaptionedFile) -> LookedAt:
    from attncli.sources.images.files import read_picture
    from attncli.sources.images.placement import place
    from attncli.sources.images.regions import LookedAt

    best, picture = found.hypotheses[0], read_picture(found.path)
    assert best.weights is not None, "a decoder with an attention reports weights"
    placement = place(picture.size, run.config.model.encoder.preprocessing)
    return LookedAt(found.path, picture, placement, best.text, best.tokens, best.weights, best.log_prob, best.marks)


def _write_sheets(captioned: Sequence[CaptionedFile], fonts: Fonts, folder: Path, format: str) -> Iterator[Path]:
    from attncli.drawing.figures import save_figure
    from attncli.sources.images.contact_sheet import contact_sheets

    pages = contact_sheets([_small(each) for each in captioned], fonts)
    for number, page in enumerate(pages, start=1):
        part = f"-{number:0{len(str(len(pages)))}}" if len(pages) > 1 else ""
        path = folder / f"contact-sheet{part}.{format}"
        save_figure(page, path)
        yield path


def _small(found: CaptionedFile) -> Captioned:
    from attncli.sources.images.contact_sheet import Captioned
    from attncli.sources.images.files import read_picture
    from attncli.sources.images.regions import LONGEST_SIDE, reduced

    return Captioned(reduced(read_picture(found.path, shorter_side=LONGEST_SIDE)), found.hypotheses[0].text)

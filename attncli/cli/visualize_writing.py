"""`attncli visualize` of runs that write: where they look, heads, self-attention, and gradients at encoder states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from attncli.cli.tasks import check_alone, names_of
from attncli.errors import CommandError, DataError, RunError, unknown

if TYPE_CHECKING:
    from attncli.cli.visualize_options import VisualizationOptions
    from attncli.decoding.writer import Writer
    from attncli.decoding.written import Written
    from attncli.runs.writing import WritingRun
    from attncli.visualization.heads import HeadDrawing

FORMATS = ("png", "svg", "html", "json")
"""Those of any kind of source."""


def visualize_writing(options: VisualizationOptions, *, is_text: bool) -> None:
    """Draw what `options` ask for: gradients of all runs, or what the only one does with the sources that are named.

    A file that cannot be read is reported on standard error, and a DataError is raised at the end.
    """
    if options.gradients:
        for path in _draw_gradients(options):
            typer.echo(f"wrote {path}")
        return
    if options.test is not None:
        raise CommandError("--test: names the sentences of --gradients, which is not given; add it or leave --test out")
    format = options.format or "png"
    _check_format(format, FORMATS)
    _check_heads(options)
    cells = _sentences(options) if is_text else _files(options)
    _check_targets(cells, options)

    from attncli.files import writing_into
    from attncli.runs.writing import WritingRun

    [folder] = options.runs
    run = WritingRun.load(folder, device=options.device, checkpoint=options.checkpoint)
    _check_format(format, run.drawer().formats)
    draw = _heads_drawn if options.self_attention or options.heads else _sources_drawn
    drawn = 0
    with writing_into(options.folder):
        for number, path in draw(run, cells, options, format):
            drawn = number
            typer.echo(f"wrote {path}")
    if drawn < len(cells):
        raise DataError(f"{len(cells) - drawn} of {len(cells)} files could not be drawn")


def _check_format(format: str, formats: Sequence[str]) -> None:
    if format not in formats:
        raise CommandError(f"--format: {unknown('value', format, formats)}")


def _check_heads(options: VisualizationOptions) -> None:
    wanted = options.self_attention or options.heads
    if options.layer is not None and not wanted:
        raise CommandError("--layer: chooses what --self-attention and --heads draw; give one of them too")
    if wanted and options.format == "html":
        raise CommandError("--format: self-attention and heads are drawn as png or svg, or written as json, not html")


def _sentences(options: VisualizationOptions) -> list[str]:
    from attncli.files import read_lines

    placed = [(f"--text {text!r}", text) for text in options.text or ()]
    placed += [
        (f"{path}:{number}", line)
        for path in options.input or ()
        for number, line in enumerate(read_lines(path), start=1)
    ]
    if not placed:
        raise CommandError("nothing to draw; give --text TEXT, --input FILE with at least one line, or --curves")
    for where, line in placed:
        if not line.strip():
            raise DataError(f"{where}: empty; an alignment needs at least one token")
    return [line for _, line in placed]


def _files(options: VisualizationOptions) -> list[str]:
    from attncli.cli.files import named_files

    if not options.image:
        raise CommandError("nothing to draw; give --image PATH (an image or a folder), or --curves")
    return [str(path) for path in named_files([str(path) for path in options.image])]


def _check_targets(cells: Sequence[str], options: VisualizationOptions) -> None:
    targets = options.target or []
    if targets and len(targets) != len(cells):
        raise CommandError(f"--target: {len(targets)} for {len(cells)} sources; give one for each, in their order")
    if not all(target.strip() for target in targets):
        raise CommandError("--target: empty; an alignment needs at least one token")


def _writer(run: WritingRun, options: VisualizationOptions) -> Writer[Any]:
    given = {"beam_size": options.beam_size, "length_penalty": options.length_penalty}
    # What a person names is drawn whole, however long it is.
    return run.writer(run.config.search.changed(given).model_copy(update={"max_source_length": None}))


def _sources_drawn(
    run: WritingRun, cells: Sequence[str], options: VisualizationOptions, format: str
) -> Iterator[tuple[int, Path]]:
    """Yield how many sources are drawn and a path, for every file that is written."""
    drawer, draws_weights = run.drawer(), run.attends
    if not draws_weights:
        problem = (
            f"{run.folder}: there are no weights to draw: the model has attention: none, so its decoder looks at no "
            "part of the source in particular"
        )
        if not drawer.shows_sources or format == "json" or options.target:
            raise RunError(f"{problem}; choose a run trained with an attention")
        typer.echo(f"attncli: {problem}; only what was written is drawn", err=True)
    writer = _writer(run, options)
    if options.target:
        written = writer.align(zip(cells, options.target, strict=True))
    else:
        written = writer.write(cells, with_weights=draws_weights)
    found = list(_readable(written))
    if not found:
        raise RunError("none of the files can be read, so nothing was drawn")
    paths = drawer.draw(
        found,
        options.folder,
        format,
        title=f"{run.name}: attention",
        forced=bool(options.target),
        tell=lambda line: typer.echo(line, err=True),
    )
    yield from ((len(found), path) for path in paths)


def _readable(written: Iterator[Written]) -> Iterator[Written]:
    """Yield those that have no problem, and report the others."""
    for each in written:
        if each.problem is None:
            yield each
        else:
            typer.echo(f"attncli: {each.problem}", err=True)


def _heads_drawn(
    run: WritingRun, cells: Sequence[str], options: VisualizationOptions, format: str
) -> Iterator[tuple[int, Path]]:
    from attncli.visualization.heads import draw_heads, write_heads

    found = list(_heads(run, cells, options))
    if format == "json":
        yield len(cells), write_heads(found, options.folder)
        return

    def warn(warning: str) -> None:
        typer.echo(f"warning: {warning}", err=True)

    yield from ((len(cells), path) for path in draw_heads(found, options.folder, format, warn=warn))


def _heads(run: WritingRun, cells: Sequence[str], options: VisualizationOptions) -> Iterator[HeadDrawing]:
    from attncli.visualization.heads import cross_attention_drawings, self_attention_drawings

    encoder, decoder = run.config.model.encoder.kind, run.config.model.decoder.kind
    looking_back = ("lstmn", "transformer")
    if options.self_attention and encoder not in looking_back and decoder not in looking_back:
        raise RunError(
            f"{run.folder}: there is no self-attention to draw: the encoder is of kind {encoder} and the decoder of "
            f"kind {decoder}; choose a run with one of kind lstmn or transformer"
        )
    if options.heads and decoder != "transformer":
        raise RunError(
            f"{run.folder}: there are no heads to draw: the decoder is of kind {decoder}, which looks at the source "
            "with one attention; draw that without --heads, or choose a run with a transformer decoder"
        )
    targets: Sequence[str | None] = options.target or [None] * len(cells)
    for number, found in enumerate(_writer(run, options).inspect(zip(cells, targets, strict=True)), start=1):
        if options.self_attention:
            yield from self_attention_drawings(number, found, options.layer, directions=encoder == "lstmn")
        if options.heads:
            yield from cross_attention_drawings(number, found, options.layer)


def _draw_gradients(options: VisualizationOptions) -> list[Path]:
    draws = "the encoder's states over a dev or test set"
    check_alone("--gradients", options, draws=draws, takes={"gradients", "test", "format"})
    format = options.format or "png"
    _check_format(format, FORMATS)
    if format == "html":
        raise CommandError("--gradients: drawn as png, svg or json, not html")

    from attncli.drawing.figures import save_figure
    from attncli.files import writing_into
    from attncli.runs.writing import WritingRun
    from attncli.visualization.gradients import gradient_profile, gradients_figure, gradients_json, measured_pairs

    loaded = [WritingRun.load(run, device=options.device, checkpoint=options.checkpoint) for run in options.runs]
    pairs, sentences = measured_pairs(loaded[0], options.test)
    profiles = [
        gradient_profile(run, pairs, name=name) for run, name in zip(loaded, names_of(options.runs), strict=True)
    ]
    path = options.folder / f"gradients.{format}"
    with writing_into(options.folder):
        if format == "json":
            path.write_text(gradients_json(profiles), encoding="utf-8")
        else:
            save_figure(gradients_figure(profiles, sentences=sentences), path)
    return [path]

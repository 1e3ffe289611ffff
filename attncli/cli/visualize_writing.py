"""`attncli visualize` of runs that write: where they look, heads, self-attention, and gradients at encoder states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attncli.cli.options import as_text, searched_by
from attncli.cli.tasks import check_alone, names_of
from attncli.cli.terminal import say, tell, tell_error
from attncli.cli.visualize_options import VisualizationOptions
from attncli.errors import CommandError, DataError, RunError, escaped_json, unknown

if TYPE_CHECKING:
    from attncli.cli.tasks import Runs
    from attncli.decoding.writer import Writer
    from attncli.decoding.written import Inspection
    from attncli.runs.writing import WritingRun
    from attncli.sources.source import Look
    from attncli.visualization.heads import HeadDrawing

_NOTHING = "none of the files can be read, so nothing was drawn"
FORMATS = ("png", "svg", "pdf", "html", "json")
"""The formats of drawings of all kinds of sources."""


def visualize_writing(options: VisualizationOptions, runs: Runs) -> None:
    """Draw what `options` ask for: gradients of all runs, or what the only one does with the named sources.

    A file that cannot be read is reported on standard error, and a DataError is raised at the end.
    """
    if options.gradients:
        say(f"wrote {_draw_gradients(options)}")
        return
    if options.test is not None:
        raise CommandError("--test: names the sentences for --gradients; add that option or remove --test")
    if options.format is not None:
        _check_format(options.format, FORMATS)
    draws_heads = options.self_attention or options.heads
    if options.layer is not None and not draws_heads:
        raise CommandError("--layer: selects what --self-attention and --heads draw; add one of them")
    if options.format == "html" and draws_heads:
        raise CommandError(
            "--format: self-attention and heads are drawn as png, svg or pdf, or written as json, not html"
        )
    _check_look(options, draws_heads=draws_heads)
    options = replace(
        options,
        text=[as_text("--text", text) for text in options.text or ()],
        target=[as_text("--target", text) for text in options.target or ()],
    )
    cells = _cells(options, runs)
    _check_targets(cells, options)

    from attncli.files.writing import writing_into
    from attncli.runs.writing import WritingRun

    [folder] = options.runs
    run = WritingRun.load(folder, device=options.device, checkpoint=options.checkpoint)
    with writing_into(options.folder):
        drawn = (_draw_heads if draws_heads else _draw_sources)(run, cells, options)
    if drawn < len(cells):
        noun = "source" if runs.family == "sources" else "file"
        raise DataError(f"{len(cells) - drawn} of {len(cells)} {noun}s could not be drawn")


def _check_look(options: VisualizationOptions, *, draws_heads: bool) -> None:
    given = _given_look(options)
    if given and options.format == "json":
        raise CommandError(f"{given[0]}: says how to draw, but json has the weights as they are; leave it out")
    if "--colormap" in given and draws_heads:
        raise CommandError("--colormap: colours weights over an image, but --self-attention and --heads draw maps")


def _given_look(options: VisualizationOptions) -> list[str]:
    """Return the options that say how to draw weights and are not at their defaults."""
    names = ("scale", "colormap")
    return [f"--{name}" for name in names if getattr(options, name) != getattr(VisualizationOptions, name)]


def _check_format(format: str, formats: Sequence[str]) -> None:
    if format not in formats:
        raise CommandError(f"--format: {unknown('value', format, formats)}")


def _cells(options: VisualizationOptions, runs: Runs) -> list[Any]:
    """Return what is drawn: sentences, paths of files, or several sources by their names."""
    if runs.family == "sources":
        return _rows(options, runs.config)
    return list(_sentences(options) if runs.family == "text" else _files(options, runs.config))


def _rows(options: VisualizationOptions, config: Any) -> list[dict[str, str]]:
    from attncli.cli.rows import columns_of, rows_of_table

    if options.root != VisualizationOptions.root and not options.input:
        raise CommandError("--root: says where the files of a table are; add --input TABLE or leave it out")
    names = list(columns_of(config))
    given: dict[str, list[str]] = {name: [] for name in names}
    for text in options.source or ():
        name, equals, value = as_text("--source", text).partition("=")
        if not equals or not value.strip():
            raise CommandError(f"--source {text!r}: expected NAME=VALUE, with a name of {', '.join(names)}")
        if name not in given:
            raise CommandError(f"--source {text!r}: {unknown('source', name, names)}")
        given[name].append(value)
    if len({len(values) for values in given.values()}) > 1:
        counts = ", ".join(f"{len(values)} of {name}" for name, values in given.items())
        raise CommandError(f"--source: {counts}; give as many of each")
    rows = [dict(zip(given, values, strict=True)) for values in zip(*given.values(), strict=True)]
    for path in options.input or ():
        for row in rows_of_table(path, config, options.root):
            if row.problem:
                raise DataError(f"{row.place}: {row.problem}")
            rows.append(row.cells)
    if not rows:
        raise CommandError(
            f"nothing to draw; give --source NAME=VALUE for each of {', '.join(names)}, --input TABLE, or --curves"
        )
    return rows


def _sentences(options: VisualizationOptions) -> list[str]:
    from attncli.files.reading import read_lines

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


def _files(options: VisualizationOptions, config: Any) -> list[str]:
    from attncli.cli.files import named_files

    if not options.image:
        # Each is another name of the same option.
        named = {"recording": "--recording PATH (a recording", "film": "--image PATH (a film"}
        given = named.get(config.model.source.noun, "--image PATH (an image")
        raise CommandError(f"nothing to draw; give {given} or a folder), or --curves")
    return [str(path) for path in named_files([str(path) for path in options.image], config.model.source)]


def _check_targets(cells: Sequence[Any], options: VisualizationOptions) -> None:
    targets = options.target or []
    for option, value in (("--beam-size", options.beam_size), ("--length-penalty", options.length_penalty)):
        if targets and value is not None:
            raise CommandError(f"{option}: nothing is searched for where --target gives what is drawn; leave it out")
    if targets and len(targets) != len(cells):
        raise CommandError(f"--target: {len(targets)} for {len(cells)} sources; give one for each, in their order")
    if not all(target.strip() for target in targets):
        raise CommandError("--target: empty; an alignment needs at least one token")


def _writer(run: WritingRun, options: VisualizationOptions) -> Writer[Any]:
    given = {
        "beam_size": options.beam_size,
        "length_penalty": options.length_penalty,
        "ctc_weight": options.ctc_weight,
    }
    # What a person names is drawn whole, however long it is.
    return run.writer(searched_by(run.config.search, given).model_copy(update={"max_source_length": None}))


def _look(run: WritingRun, options: VisualizationOptions) -> Look:
    from attncli.sources.source import Look

    return Look(run.caption, shared_scale=options.scale == "shared", colormap=options.colormap)


def _draw_sources(run: WritingRun, cells: Sequence[Any], options: VisualizationOptions) -> int:
    """Draw where the model looks in each source, and return the number of sources that could be read."""
    drawer, draws_weights = run.drawer(), run.attends
    format = options.format or drawer.formats[0]
    _check_format(format, drawer.formats)
    if not draws_weights:
        problem = (
            f"{run.folder}: there are no weights to draw: the model has attention: none, so its decoder looks at no "
            "part of the source in particular"
        )
        if not drawer.shows_sources or format == "json" or options.target:
            raise RunError(f"{problem}; choose a run trained with an attention")
        for option in _given_look(options):
            raise CommandError(f"{option}: {problem}; leave it out")
        tell(f"attncli: {problem}; only what was written is drawn")
    writer = _writer(run, options)
    if options.target:
        written = writer.align(zip(cells, options.target, strict=True))
    else:
        written = writer.write(cells, with_weights=draws_weights)
    found = []
    for each in written:
        if each.problem is None:
            found.append(each)
        else:
            tell_error(each.problem)
    if not found:
        raise RunError(_NOTHING)
    look, forced = _look(run, options), bool(options.target)
    if isinstance(cells[0], str) and not run.config.model.source.is_text:
        from attncli.evaluation.test_set import known_places

        look = replace(look, gold=known_places(run.config, cells))
    for path in drawer.draw(found, options.folder, format, look=look, forced=forced, tell=tell):
        say(f"wrote {path}")
    return len(found)


def _draw_heads(run: WritingRun, cells: Sequence[Any], options: VisualizationOptions) -> int:
    """Draw the heads of each source, its self-attention, or both; return the number of sources that could be read."""
    from attncli.visualization.heads import draw_heads, write_heads

    decoder = run.config.model.decoder.kind
    if options.heads and run.config.model.source.is_joint:
        raise RunError(
            f"{run.folder}: heads are drawn over one source, but this run reads several (model.encoders); leave out "
            "--heads to draw where it looks in each"
        )
    if options.heads and not run.model.decoder.has_heads:
        raise RunError(
            f"{run.folder}: there are no heads to draw: the decoder is of kind {decoder}, which looks at the source "
            "with one attention; draw that without --heads, or choose a run with a transformer decoder"
        )
    found: list[HeadDrawing] = []
    drawn = 0
    for number, each in _inspected(run, cells, options):
        if options.self_attention and each.encoder is None and each.decoder is None:
            raise RunError(
                f"{run.folder}: there is no self-attention to draw: the encoder is of kind "
                f"{run.config.model.source.kind_name} and the decoder of kind {decoder}; choose a run with one of kind "
                "lstmn or transformer"
            )
        found += _drawings(run, number, each, options)
        drawn += 1
    if not drawn:
        raise RunError(_NOTHING)
    if options.format == "json":
        paths = [write_heads(found, options.folder)]
    else:
        paths = draw_heads(
            found,
            options.folder,
            options.format or "png",
            look=_look(run, options),
            warn=lambda line: tell(f"warning: {line}"),
        )
    for path in paths:
        say(f"wrote {path}")
    return drawn


def _inspected(
    run: WritingRun, cells: Sequence[Any], options: VisualizationOptions
) -> Iterator[tuple[int, Inspection]]:
    """Yield the number of each source, from 1, with where its heads look; report those that cannot be read."""
    writer = _writer(run, options)
    targets: Sequence[str | None] = options.target or [None] * len(cells)
    for number, pair in enumerate(zip(cells, targets, strict=True), start=1):
        try:
            [found] = writer.inspect([pair])
        except DataError as error:
            tell_error(error)
        else:
            yield number, found


def _drawings(run: WritingRun, number: int, found: Inspection, options: VisualizationOptions) -> Iterator[HeadDrawing]:
    from attncli.visualization.heads import cross_attention_drawings, self_attention_drawings

    if options.self_attention:
        directions = run.model.encoder.heads_are_directions
        yield from self_attention_drawings(number, found, options.layer, directions=directions)
    if options.heads:
        yield from cross_attention_drawings(number, found, options.layer)


def _draw_gradients(options: VisualizationOptions) -> Path:
    draws = "the encoder's states over a dev or test set"
    check_alone("--gradients", options, draws=draws, takes={"gradients", "test", "format", "checkpoint", "device"})
    format = options.format or "png"
    _check_format(format, FORMATS)
    if format == "html":
        raise CommandError("--gradients: drawn as png, svg, pdf or json, not html")

    from attncli.drawing.figures import save_figure
    from attncli.files.writing import write_text, writing_into
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
            write_text(path, escaped_json(gradients_json(profiles)))
        else:
            save_figure(gradients_figure(profiles, sentences=sentences), path)
    return path

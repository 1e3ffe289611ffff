"""`attncli visualize` for translation: alignments, heads, self-attention, and gradients at encoder states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from attncli.cli.tasks import VisualizationOptions, check_alone, names_of
from attncli.errors import CommandError, DataError, RunError, unknown

if TYPE_CHECKING:
    from attncli.config.search import Search
    from attncli.runs.run import Run
    from attncli.sources.text.alignment import Alignment
    from attncli.visualization.heads import HeadPicture

_FORMATS = ("png", "svg", "html", "json")
_PICTURES = ("png", "svg")


def visualize_translation(runs: Sequence[Path], options: VisualizationOptions) -> None:
    """Draw what `options` ask for: gradients of all `runs`, or what the only one does with their sentences."""
    format = options.format or "png"
    if format not in _FORMATS:
        raise CommandError(f"--format: {unknown('value', format, _FORMATS)}")
    draw = _draw_gradients if options.gradients else _draw_sentences
    for path in draw(runs, options, format):
        typer.echo(f"wrote {path}")


def _draw_gradients(runs: Sequence[Path], options: VisualizationOptions, format: str) -> list[Path]:
    draws = "the encoder's states over a dev or test set"
    check_alone("--gradients", options, draws=draws, takes={"gradients", "test", "format"})
    if format == "html":
        raise CommandError("--gradients: drawn as png, svg or json, not html")

    from attncli.drawing.figures import save_figure
    from attncli.files import writing_into
    from attncli.runs.run import Run
    from attncli.visualization.gradients import gradient_profile, gradients_figure, gradients_json, measured_pairs

    loaded = [Run.load(run, device=options.device, checkpoint=options.checkpoint) for run in runs]
    pairs, sentences = measured_pairs(loaded[0], options.test)
    profiles = [gradient_profile(run, pairs, name=name) for run, name in zip(loaded, names_of(runs), strict=True)]
    path = options.output / f"gradients.{format}"
    with writing_into(options.output):
        if format == "json":
            path.write_text(gradients_json(profiles), encoding="utf-8")
        else:
            save_figure(gradients_figure(profiles, sentences=sentences), path)
    return [path]


def _draw_sentences(runs: Sequence[Path], options: VisualizationOptions, format: str) -> list[Path]:
    if options.test is not None:
        raise CommandError("--test: names the sentences of --gradients, which is not given; add it or leave --test out")
    _check_heads(options, format)
    sentences = _sentences(options.text, options.input)
    _check_targets(sentences, options.target)

    from attncli.runs.run import Run

    [folder] = runs
    run = Run.load(folder, device=options.device, checkpoint=options.checkpoint)
    search = _search(run, options.beam_size, options.length_penalty)
    if options.self_attention or options.heads:
        return _write_heads(list(_heads(run, sentences, search, options)), options.output, format)
    if run.config.model.attention == "none":
        raise _no_weights(folder)
    if options.target:
        found = _forced(run, list(zip(sentences, options.target, strict=True)))
    else:
        found = _searched(run, sentences, search)
    return _write(found, options.output, format, title=f"{run.name}: attention")


def _sentences(texts: Sequence[str], files: Sequence[Path]) -> list[str]:
    from attncli.files import read_lines

    placed = [(f"--text {text!r}", text) for text in texts]
    placed += [(f"{path}:{number}", line) for path in files for number, line in enumerate(read_lines(path), start=1)]
    if not placed:
        raise CommandError("nothing to draw; give --text TEXT, --input FILE with at least one line, or --curves")
    for where, line in placed:
        if not line.strip():
            raise DataError(f"{where}: empty; an alignment needs at least one token")
    return [line for _, line in placed]


def _check_targets(sentences: Sequence[str], targets: Sequence[str]) -> None:
    if not targets:
        return
    if len(targets) != len(sentences):
        raise CommandError(
            f"--target: {len(targets)} for {len(sentences)} sentences; give one for each, in their order"
        )
    if not all(target.strip() for target in targets):
        raise CommandError("--target: empty; an alignment needs at least one token")


def _no_weights(folder: Path) -> RunError:
    return RunError(
        f"{folder}: there are no weights to draw: the model has attention: none, so its decoder looks at no source "
        "word in particular; choose a run trained with an attention"
    )


def _forced(run: Run, pairs: Sequence[tuple[str, str]]) -> list[Alignment]:
    from attncli.sources.text.alignment import alignment_of

    found = [alignment_of(translation, forced=True) for translation in run.align(pairs)]
    return _with_weights(found, run.folder)


def _searched(run: Run, sentences: Sequence[str], search: Search) -> list[Alignment]:
    from attncli.sources.text.alignment import alignment_of

    translations = run.translate(sentences, search=search, with_weights=True)
    return _with_weights([alignment_of(translation, forced=False) for translation in translations], run.folder)


def _search(run: Run, beam_size: int | None, length_penalty: float | None) -> Search:
    return run.config.search.changed({"beam_size": beam_size, "length_penalty": length_penalty})


def _check_heads(options: VisualizationOptions, format: str) -> None:
    wanted = options.self_attention or options.heads
    if options.layer is not None and not wanted:
        raise CommandError("--layer: chooses what --self-attention and --heads draw; give one of them too")
    if wanted and format == "html":
        raise CommandError("--format: self-attention and heads are drawn as png or svg, or written as json, not html")


def _heads(run: Run, sentences: Sequence[str], search: Search, options: VisualizationOptions) -> Iterator[HeadPicture]:
    from attncli.visualization.heads import cross_attention_pictures, self_attention_pictures

    encoder, decoder = run.config.model.encoder.kind, run.config.model.decoder.kind
    if options.self_attention and encoder == decoder == "recurrent":
        raise RunError(
            f"{run.folder}: there is no self-attention to draw: encoder and decoder are of kind recurrent; choose a "
            "run with one of kind lstmn or transformer"
        )
    if options.heads and decoder != "transformer":
        raise RunError(
            f"{run.folder}: there are no heads to draw: the decoder is of kind {decoder}, which looks at the source "
            "with one attention; draw that without --heads, or choose a run with a transformer decoder"
        )
    targets: Sequence[str | None] = options.target or [None] * len(sentences)
    pairs = list(zip(sentences, targets, strict=True))
    for number, found in enumerate(run.inspect(pairs, search=search), start=1):
        if options.self_attention:
            yield from self_attention_pictures(number, found, options.layer, directions=encoder == "lstmn")
        if options.heads:
            yield from cross_attention_pictures(number, found, options.layer)


def _write_heads(pictures: Sequence[HeadPicture], folder: Path, format: str) -> list[Path]:
    from attncli.visualization.heads import draw_heads, write_heads

    if format in _PICTURES:
        return draw_heads(pictures, folder, format, warn=lambda warning: typer.echo(f"warning: {warning}", err=True))
    return [write_heads(pictures, folder)]


def _with_weights(found: Sequence[Alignment | None], folder: Path) -> list[Alignment]:
    if any(alignment is None for alignment in found):
        raise _no_weights(folder)
    return [alignment for alignment in found if alignment is not None]


def _write(found: Sequence[Alignment], folder: Path, format: str, *, title: str) -> list[Path]:
    from attncli.sources.text.output import draw_alignments, write_text

    if format in _PICTURES:
        return draw_alignments(found, folder, format, warn=lambda warning: typer.echo(f"warning: {warning}", err=True))
    return [write_text(found, folder, format, title=title)]

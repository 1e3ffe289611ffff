"""`attncli visualize` for translation: pictures of alignments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from attncli.cli.tasks import VisualizationOptions
from attncli.errors import CommandError, DataError, RunError, unknown

if TYPE_CHECKING:
    from attncli.run import Run
    from attncli.visualization.alignment import Alignment

_FORMATS = ("png", "svg", "html", "json")
_PICTURES = ("png", "svg")


def visualize_translation(run: Path, options: VisualizationOptions) -> None:
    """Draw the alignments of the sentences that `options` name."""
    format = options.format or "png"
    if format not in _FORMATS:
        raise CommandError(f"--format: {unknown('value', format, _FORMATS)}")
    sentences = _sentences(options.text, options.input)
    _check_targets(sentences, options.target)

    from attncli.run import Run

    loaded = Run.load(run, device=options.device, checkpoint=options.checkpoint)
    if loaded.config.model.attention == "none":
        raise _no_weights(run)
    if options.target:
        found = _forced(loaded, list(zip(sentences, options.target, strict=True)))
    else:
        found = _searched(loaded, sentences, options.beam_size, options.length_penalty)
    for path in _write(found, options.output, format, title=f"{loaded.name}: attention"):
        typer.echo(f"wrote {path}")


def _sentences(texts: Sequence[str], files: Sequence[Path]) -> list[str]:
    from attncli.text.files import read_lines

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
    from attncli.visualization.alignment import alignment_of

    found = [alignment_of(translation, forced=True) for translation in run.align(pairs)]
    return _with_weights(found, run.folder)


def _searched(
    run: Run, sentences: Sequence[str], beam_size: int | None, length_penalty: float | None
) -> list[Alignment]:
    from attncli.config.search import Search
    from attncli.visualization.alignment import alignment_of

    given = {"beam_size": beam_size, "length_penalty": length_penalty}
    changed = {key: value for key, value in given.items() if value is not None}
    search = Search.model_validate({**run.config.search.model_dump(), **changed})
    translations = run.translate(sentences, search=search, with_weights=True)
    return _with_weights([alignment_of(translation, forced=False) for translation in translations], run.folder)


def _with_weights(found: Sequence[Alignment | None], folder: Path) -> list[Alignment]:
    if any(alignment is None for alignment in found):
        raise _no_weights(folder)
    return [alignment for alignment in found if alignment is not None]


def _write(found: Sequence[Alignment], folder: Path, format: str, *, title: str) -> list[Path]:
    from attncli.visualization.output import draw_alignments, write_text

    if format in _PICTURES:
        return draw_alignments(found, folder, format, warn=lambda warning: typer.echo(f"warning: {warning}", err=True))
    return [write_text(found, folder, format, title=title)]

"""`attncli visualize`: pictures of alignments, and of how a training went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attncli.cli.options import Checkpoint, Device
from attncli.errors import CommandError, DataError, RunError, unknown

if TYPE_CHECKING:
    from attncli.config.search import Search
    from attncli.run import Run
    from attncli.visualization.alignment import Alignment
    from attncli.visualization.heads import HeadPicture

_FORMATS = ("png", "svg", "html", "json")
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
    test: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With --gradients, the test set to measure on.  [default: the dev set]"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Where to write.  [default: RUN/visualization]"),
    ] = None,
    format: Annotated[str, typer.Option(metavar="png|svg|html|json", help="Pictures, a page, or numbers.")] = "png",
    beam_size: Annotated[int | None, typer.Option(min=1, help="Hypotheses kept a sentence; 1 is greedy.")] = None,
    length_penalty: Annotated[float | None, typer.Option(min=0.0, help="Exponent α of the length penalty.")] = None,
    checkpoint: Checkpoint = "best",
    device: Device = "auto",
) -> None:
    """Draw where the attention of RUN looks: a row for each word of the output, a column for each of the source.

    Example: attncli visualize runs/multi30k-de-en --text "Ein Hund rennt." --output pictures

    Example: attncli visualize runs/multi30k-de-en --text "Ein Hund rennt." --target "A dog is running."

    Example: attncli visualize runs/transformer --text "Ein Hund rennt." --self-attention --heads

    Example: attncli visualize runs/multi30k-de-en --curves

    --gradients shows how the gradient vanishes on its way back through a recurrent encoder (Hochreiter 1991; Bengio et
    al. 1994; Pascanu et al. 2013), and what attention does about it. The loss is the mean of -log p a target token, the
    state that of the top layer's forward direction, an LSTM's cell included. Drawn are median and quartiles of the
    gradient's L2 norm over the 100 pairs with the longest sources, all counted back from the last state; with attention
    also the part that comes through later states, without the direct way from the decoder.

    Example: attncli visualize runs/rnn runs/lstm runs/lstm-attention --gradients --output pictures
    """
    if format not in _FORMATS:
        raise CommandError(f"--format: {unknown('value', format, _FORMATS)}")
    run = runs[0]
    folder = output or run / "visualization"
    drawn = {"--self-attention": self_attention, "--heads": heads, "--layer": layer}
    sentence_options = {"--text": text, "--input": input, "--target": target, **drawn}
    if gradients:
        _check_alone("--gradients", {**sentence_options, "--curves": curves})
        _check_format("--gradients", format, (*_PICTURES, "json"))
        _report([_draw_gradients(runs, folder, format, test=test, device=device, checkpoint=checkpoint)])
        return
    if test is not None:
        raise CommandError("--test: names the sentences of --gradients, which is not given; add it or leave --test out")
    if len(runs) > 1:
        raise CommandError(f"RUN: {len(runs)} are given, but only --gradients draws several together; give one")
    if curves:
        _check_alone("--curves", sentence_options)
        _check_format("--curves", format, _PICTURES)
        _report([_draw_curves(run, folder, format)])
        return
    _check_heads(format, layer, wanted=self_attention or heads)
    sentences = _sentences(text or (), input or ())
    _check_targets(sentences, target)

    from attncli.run import Run

    loaded = Run.load(run, device=device, checkpoint=checkpoint)
    if self_attention or heads:
        given: Sequence[str | None] = target or [None] * len(sentences)
        pairs = list(zip(sentences, given, strict=True))
        search = _search(loaded, beam_size, length_penalty)
        pictures = list(_heads(loaded, pairs, search, self_attention=self_attention, heads=heads, layer=layer))
        _report(_write_heads(pictures, folder, format))
        return
    if loaded.config.model.attention == "none":
        raise _no_weights(run)
    if target:
        found = _forced(loaded, list(zip(sentences, target, strict=True)))
    else:
        found = _searched(loaded, sentences, beam_size, length_penalty)
    _report(_write(found, folder, format, title=f"{loaded.name}: attention"))


_DRAWN = {"--curves": "the training log", "--gradients": "the encoder's states over a dev or test set"}
_NUMBERS = {"--curves": "; the numbers are in the run's log.jsonl", "--gradients": ""}


def _check_alone(option: str, others: Mapping[str, object]) -> None:
    given = [name for name, value in others.items() if value]
    if given:
        raise CommandError(f"{option}: draws {_DRAWN[option]}, so {given[0]} means nothing here; leave one of them out")


def _check_format(option: str, format: str, formats: Sequence[str]) -> None:
    if format not in formats:
        *first, last = formats
        raise CommandError(f"{option}: drawn as {', '.join(first)} or {last}, not {format}{_NUMBERS[option]}")


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


def _check_targets(sentences: Sequence[str], targets: Sequence[str] | None) -> None:
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
    from attncli.visualization.alignment import alignment_of

    translations = run.translate(sentences, search=_search(run, beam_size, length_penalty), with_weights=True)
    return _with_weights([alignment_of(translation, forced=False) for translation in translations], run.folder)


def _search(run: Run, beam_size: int | None, length_penalty: float | None) -> Search:
    from attncli.config.search import Search

    given = {"beam_size": beam_size, "length_penalty": length_penalty}
    changed = {key: value for key, value in given.items() if value is not None}
    return Search.model_validate({**run.config.search.model_dump(), **changed})


def _check_heads(format: str, layer: int | None, *, wanted: bool) -> None:
    if layer is not None and not wanted:
        raise CommandError("--layer: chooses what --self-attention and --heads draw; give one of them too")
    if wanted and format == "html":
        raise CommandError("--format: self-attention and heads are drawn as png or svg, or written as json, not html")


def _heads(
    run: Run,
    pairs: Sequence[tuple[str, str | None]],
    search: Search,
    *,
    self_attention: bool,
    heads: bool,
    layer: int | None,
) -> Iterator[HeadPicture]:
    from attncli.visualization.heads import cross_attention_pictures, self_attention_pictures

    encoder, decoder = run.config.model.encoder.kind, run.config.model.decoder.kind
    if self_attention and encoder == decoder == "recurrent":
        raise RunError(
            f"{run.folder}: there is no self-attention to draw: encoder and decoder are of kind recurrent; choose a "
            "run with one of kind lstmn or transformer"
        )
    if heads and decoder != "transformer":
        raise RunError(
            f"{run.folder}: there are no heads to draw: the decoder is of kind {decoder}, which looks at the source "
            "with one attention; draw that without --heads, or choose a run with a transformer decoder"
        )
    for number, found in enumerate(run.inspect(pairs, search=search), start=1):
        if self_attention:
            yield from self_attention_pictures(number, found, layer, directions=encoder == "lstmn")
        if heads:
            yield from cross_attention_pictures(number, found, layer)


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
    from attncli.visualization.output import draw_alignments, write_text

    if format in _PICTURES:
        return draw_alignments(found, folder, format, warn=lambda warning: typer.echo(f"warning: {warning}", err=True))
    return [write_text(found, folder, format, title=title)]


def _draw_curves(run: Path, folder: Path, format: str) -> Path:
    from attncli.visualization.curves import curves_figure
    from attncli.visualization.figures import save_figure, writing_into
    from attncli.visualization.log import read_log

    path = folder / f"curves.{format}"
    figure = curves_figure(read_log(run), title=run.resolve().name)
    with writing_into(folder):
        save_figure(figure, path)
    return path


def _draw_gradients(
    runs: Sequence[Path], folder: Path, format: str, *, test: str | None, device: str, checkpoint: str
) -> Path:
    from attncli.run import Run
    from attncli.visualization.figures import save_figure, writing_into
    from attncli.visualization.gradients import gradient_profile, gradients_figure, gradients_json, measured_pairs

    loaded = [Run.load(run, device=device, checkpoint=checkpoint) for run in runs]
    pairs, sentences = measured_pairs(loaded[0], test)
    names = [run.name for run in loaded] if len({run.name for run in loaded}) == len(loaded) else list(map(str, runs))
    profiles = [gradient_profile(run, pairs, name=name) for run, name in zip(loaded, names, strict=True)]
    path = folder / f"gradients.{format}"
    with writing_into(folder):
        if format == "json":
            path.write_text(gradients_json(profiles), encoding="utf-8")
        else:
            save_figure(gradients_figure(profiles, sentences=sentences), path)
    return path


def _report(paths: Sequence[Path]) -> None:
    for path in paths:
        typer.echo(f"wrote {path}")

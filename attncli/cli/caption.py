"""`attncli caption`: pictures through a trained run."""

from __future__ import annotations

import glob
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import typer

from attncli.cli.options import BatchSize, BeamSize, Checkpoint, Device, LengthPenalty, RunArgument

if TYPE_CHECKING:
    from attncli.runs.run import CaptionedFile


def caption(
    run: RunArgument,
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Pictures, folders (with all in them), or patterns with *.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write, `.gz` too; by default standard output.")
    ] = None,
    beam_size: BeamSize = None,
    length_penalty: LengthPenalty = None,
    max_length: Annotated[int | None, typer.Option(min=1, help="The most tokens of a caption.")] = None,
    batch_size: BatchSize = None,
    n_best: Annotated[int, typer.Option(min=1, help="Captions a picture, best first.")] = 1,
    format: Annotated[
        Literal["tsv", "jsonl"], typer.Option(help="Path, tab, caption; or JSON with hypotheses, scores and tokens.")
    ] = "tsv",
    attention: Annotated[bool, typer.Option("--attention", help="With jsonl: the attention's weights too.")] = False,
    checkpoint: Checkpoint = "best",
    device: Device = "auto",
) -> None:
    """Write captions of pictures with a trained RUN, a line each: its path, a tab and the caption.

    A file that is no picture is told on standard error, the rest goes on, and the exit code is 1 at the end. With
    --n-best K a picture has K lines.

    Example: attncli caption runs/flickr8k photos/ holiday/*.jpg --output captions.tsv
    """
    from attncli.errors import CommandError, DataError
    from attncli.runs.run import CaptionRun

    if attention and format != "jsonl":
        raise CommandError("--attention writes weights into JSON; add --format jsonl")
    files = picture_files(paths)
    loaded = CaptionRun.load(run, device=device, checkpoint=checkpoint)
    given = {
        "beam_size": beam_size,
        "length_penalty": length_penalty,
        "max_length": max_length,
        "batch_size": batch_size,
    }
    search = loaded.config.search.changed(given)
    if n_best > search.beam_size:
        raise CommandError(f"--n-best {n_best}: a beam of {search.beam_size} has no more; add --beam-size {n_best}")
    if attention and loaded.config.model.attention == "none":
        raise CommandError(f"--attention: {run} has model.attention: none, so there are no weights")
    bad = 0
    with _opened(output) as stream, _progress(len(files), shown=output is not None) as advance:
        for found in loaded.caption(files, search=search, n_best=n_best, with_weights=attention):
            advance()
            if found.problem is not None:
                bad += 1
                typer.echo(f"attncli: {found.problem}", err=True)
            elif format == "jsonl":
                stream.write(_json_line(found))
            else:
                stream.writelines(f"{found.path}\t{each.text}\n" for each in found.hypotheses)
    if bad:
        raise DataError(f"{bad} of {len(files)} files could not be captioned")


def picture_files(paths: Sequence[str]) -> list[Path]:
    """Return the files that `paths` name: files as they are, pictures of folders, and what patterns match."""
    from attncli.errors import CommandError
    from attncli.files import find_pictures

    files: dict[Path, None] = {}
    for text in paths:
        path = Path(text)
        if path.is_dir():
            found = find_pictures(path)
            if not found:
                raise CommandError(f"{path}: there is no picture in this folder")
        elif path.exists() or not glob.has_magic(text):
            found = [path]
        else:
            found = sorted(Path(match) for match in glob.glob(text, recursive=True))  # noqa: PTH207 - from any root
            if not found:
                raise CommandError(f"{text}: matches no file")
        files.update(dict.fromkeys(found))
    return list(files)


def _json_line(found: CaptionedFile) -> str:
    record = {"path": str(found.path), "hypotheses": [each.as_json() for each in found.hypotheses]}
    return json.dumps(record, ensure_ascii=False) + "\n"


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    from attncli.files import open_output

    if output is None:
        yield sys.stdout
        return
    with open_output(output) as stream:
        yield stream


@contextmanager
def _progress(total: int, *, shown: bool) -> Iterator[Callable[[], object]]:
    """Yield what is called once a file; a bar is shown on a terminal while the output goes elsewhere."""
    from tqdm import tqdm

    with tqdm(total=total, unit="picture", disable=not shown or not sys.stderr.isatty()) as bar:
        yield bar.update

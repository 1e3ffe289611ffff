"""`attncli caption`, and what it shares with other commands that write for files."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from attncli.cli.options import OUTPUT
from attncli.cli.tasks import takes
from attncli.cli.terminal import tell_error
from attncli.cli.writing import WritingOptions, json_line, one_line, opened_output, opened_run, refuse_input, writing
from attncli.errors import CommandError, DataError, escaped

if TYPE_CHECKING:
    from attncli.config.sources.encoder import EncoderSection
    from attncli.decoding.written import Written
    from attncli.runs.writing import WritingRun


@dataclass(frozen=True, kw_only=True)
class CaptionOptions(WritingOptions):
    """The options of `attncli caption`."""

    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Images or films, folders (with all of them inside), or patterns with *.",
            show_default=False,
        ),
    ]
    format: Annotated[
        Literal["tsv", "jsonl"],
        typer.Option(help="Path, tab, caption; or JSON with hypotheses, scores and tokens.", rich_help_panel=OUTPUT),
    ] = "tsv"


@takes(CaptionOptions)
def caption(options: CaptionOptions) -> None:
    """Caption images with a trained RUN: one line for each, with its path, a tab and the caption.

    A file that is not an image is reported on standard error; the others are still captioned, and the exit code is 1.
    With --n-best K there are K lines for each image.

    For a RUN that reads films, a folder of images is one film with a frame in each, in the order of their names.

    Example: attncli caption runs/flickr8k photos/ holiday/*.jpg --output captions.tsv
    """
    is_json = options.format == "jsonl"
    run = opened_run(options, command="caption")
    lines = _json_lines if is_json else text_lines
    write_files(run, options, options.paths, lines=lines, is_json=is_json, done="captioned")


def write_files(
    run: WritingRun,
    options: WritingOptions,
    paths: Sequence[str],
    *,
    lines: Callable[[Written], Iterable[str]],
    is_json: bool,
    done: str,
) -> None:
    """Write for the files that `paths` name with `run`: the `lines` of each, which have weights only if `is_json`.

    A file that cannot be read is reported on standard error; the others are `done` all the same, and a DataError is
    raised at the end.
    """
    from attncli.machine.progress import beside_progress, progress

    files = named_files(paths, run.config.model.source)
    refuse_input(options.output, files)
    bad = 0
    with (
        writing(run, options, is_json=is_json) as write,
        opened_output(options.output) as stream,
        progress(len(files), f"{run.noun}s") as advance,
    ):
        for found in write(map(str, files), advance=advance):
            if found.problem is not None:
                bad += 1
                tell_error(found.problem)
                continue
            with beside_progress(stream):
                stream.writelines(lines(found))
    if bad:
        raise DataError(f"{bad} of {len(files)} files could not be {done}")


def text_lines(found: Written) -> Iterator[str]:
    """Yield the path and the text of every hypothesis, with a tab between."""
    for hypothesis in found.hypotheses:
        yield f"{escaped(found.cell)}\t{escaped(one_line(hypothesis.text))}\n"


def _json_lines(found: Written) -> Iterator[str]:
    yield json_line(found, name="path")


def named_files(paths: Sequence[str], section: EncoderSection) -> list[Path]:
    """Return the files that `paths` name: files as they are, of folders those that `section` reads, and matches.

    Each is returned once. A film of frames is a folder.
    """
    from attncli.files.reading import is_file, is_folder
    from attncli.sources.kinds import kind_of

    files: dict[Path, None] = {}
    for text in paths:
        path = Path(text)
        if is_folder(path):
            found = kind_of(section).found_in(path, section)
            if not found:
                raise CommandError(f"{path}: there is no {section.noun} in this folder")
        elif is_file(path) or not glob.has_magic(text):
            found = [path]
        else:
            found = sorted(Path(match) for match in glob.glob(text, recursive=True))  # noqa: PTH207 - from any root
            if not found:
                raise CommandError(f"{text}: matches no file")
        files.update(dict.fromkeys(found))
    return list(files)

"""`attncli caption`: captions images with a trained run."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from attncli.cli.tasks import takes
from attncli.cli.terminal import tell
from attncli.cli.writing import WritingOptions, json_line, one_line, opened_output, opened_run, refuse_input, writing


@dataclass(frozen=True, kw_only=True)
class CaptionOptions(WritingOptions):
    """The options of `attncli caption`."""

    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...", help="Images, folders (with all images in them), or patterns with *.", show_default=False
        ),
    ]
    format: Annotated[
        Literal["tsv", "jsonl"], typer.Option(help="Path, tab, caption; or JSON with hypotheses, scores and tokens.")
    ] = "tsv"


@takes(CaptionOptions)
def caption(options: CaptionOptions) -> None:
    """Caption images with a trained RUN: one line for each, with its path, a tab and the caption.

    A file that is not an image is reported on standard error; the others are still captioned, and the exit code is 1.
    With --n-best K there are K lines for each image.

    Example: attncli caption runs/flickr8k photos/ holiday/*.jpg --output captions.tsv
    """
    from attncli.errors import DataError, escaped
    from attncli.machine.progress import progress

    is_json = options.format == "jsonl"
    files = named_files(options.paths)
    refuse_input(options.output, files)
    run = opened_run(options, is_text=False)
    write = writing(run, options, is_json=is_json)
    bad = 0
    shown = options.output is not None
    with opened_output(options.output) as stream, progress(len(files), f" {run.noun}s", shown=shown) as advance:
        for found in write(map(str, files)):
            advance(1)
            if found.problem is not None:
                bad += 1
                tell(f"attncli: {found.problem}")
            elif is_json:
                stream.write(json_line(found, name="path"))
            else:
                stream.writelines(
                    f"{escaped(found.cell)}\t{escaped(one_line(each.text))}\n" for each in found.hypotheses
                )
    if bad:
        raise DataError(f"{bad} of {len(files)} files could not be captioned")


def named_files(paths: Sequence[str]) -> list[Path]:
    """Return the files that `paths` name: files as they are, images of folders, and what patterns match."""
    from attncli.errors import CommandError
    from attncli.files.reading import find_images, is_file, is_folder

    files: dict[Path, None] = {}
    for text in paths:
        path = Path(text)
        if is_folder(path):
            found = find_images(path)
            if not found:
                raise CommandError(f"{path}: there is no image in this folder")
        elif is_file(path) or not glob.has_magic(text):
            found = [path]
        else:
            found = sorted(Path(match) for match in glob.glob(text, recursive=True))  # noqa: PTH207 - from any root
            if not found:
                raise CommandError(f"{text}: matches no file")
        files.update(dict.fromkeys(found))
    return list(files)

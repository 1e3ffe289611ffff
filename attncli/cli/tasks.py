"""Options declared as dataclasses, and the check that they apply to the given runs."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from attncli.cli.options import as_text
from attncli.errors import CommandError, RunError, escaped

Options = TypeVar("Options")
Family = Literal["text", "files", "sources", "autoencoding"]
"""What a run does: write for text, for files, or for several sources, or reconstruct (an autoencoder)."""
WRITING: tuple[Family, ...] = ("text", "files", "sources")


_LONGEST_NAME = 255  # bytes of a file's name, on all common file systems


@dataclass(frozen=True)
class Only:
    """Marks an option that applies only to runs of some families."""

    families: tuple[Family, ...]


def takes(options: type[Options]) -> Callable[[Callable[[Options], None]], Callable[..., None]]:
    """Return a decorator that makes a command of a function of `options`, a dataclass with a field per option."""

    def command(function: Callable[[Options], None]) -> Callable[..., None]:
        def call(**given: Any) -> None:
            function(options(**given))

        hints = get_type_hints(options, include_extras=True)
        parameters = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.default is MISSING else field.default,
                annotation=hints[field.name],
            )
            for field in fields(options)  # type: ignore[arg-type]
        ]
        call.__name__, call.__doc__ = function.__name__, function.__doc__
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        call.__annotations__ = hints
        return call

    return command


@dataclass(frozen=True)
class Runs:
    """What the runs of a command line have in common."""

    family: Family
    task: str
    config: Any  # of the first run; None if no folder is a run, which is reported when one is loaded


def runs_in(folders: Sequence[Path]) -> Runs:
    """Return what the runs in `folders` have in common; raise a CommandError if their tasks differ."""
    found = {folder: config for folder in folders if (config := _config(folder)) is not None}
    if not found:
        return Runs("text", "translation", None)
    first, config = next(iter(found.items()))
    for folder, other in found.items():
        if other.task != config.task:
            raise CommandError(
                f"{folder}: is a run of task {other.task}, but {first} of task {config.task}; give runs of one task"
            )
    return runs_of(config)


def runs_of(config: Any) -> Runs:
    """Return what runs of `config` have in common."""
    if not hasattr(config.model, "decoder"):
        return Runs("autoencoding", config.task, config)
    source = config.model.source
    family: Family = "sources" if source.is_joint else "text" if source.is_text else "files"
    return Runs(family, config.task, config)


def _config(folder: Path) -> Any:
    from attncli.runs.folder import RunFolder

    try:
        return RunFolder(folder).config()
    except RunError:
        return None


def check_meaning(options: Any, runs: Runs) -> None:
    """Raise a CommandError for the first given option that does not apply to `runs`."""
    for field, mark in _marked(type(options)):
        if runs.family not in mark.families and _is_given(options, field):
            raise CommandError(f"{_option(options, field)}: means nothing for runs of task {runs.task}; leave it out")


def check_alone(option: str, options: Any, *, draws: str, takes: Collection[str]) -> None:
    """Raise a CommandError for a given option that is not used by `option`, which draws `draws` and uses `takes`."""
    for field in fields(options):
        if field.name not in {"runs", "output", *takes} and _is_given(options, field):
            raise CommandError(
                f"{option}: draws {draws}, so {_option(options, field)} means nothing here; leave one of them out"
            )


def _marked(options: type[Any]) -> Iterator[tuple[Field[Any], Only]]:
    hints = get_type_hints(options, include_extras=True)
    for field in fields(options):
        for mark in get_args(hints[field.name])[1:]:
            if isinstance(mark, Only):
                yield field, mark


def _is_given(options: Any, field: Field[Any]) -> bool:
    return bool(getattr(options, field.name) != field.default)


def _option(options: Any, field: Field[Any]) -> str:
    """Return the name of the option of a field of `options`, or all names where it has several."""
    marks = get_args(get_type_hints(type(options), include_extras=True)[field.name])[1:]
    # The first name stands elsewhere in Typer's own mark, and is that of the field.
    more = [name for mark in marks for name in getattr(mark, "param_decls", None) or () if name.startswith("--")]
    # An option that is a word of Python's, as --with, is a field with an underscore behind it.
    return " or ".join([f"--{field.name.rstrip('_').replace('_', '-')}", *more])


def check_folder_name(test: str) -> None:
    """Raise a CommandError if the reports on the test set `test` cannot be written into a folder of its name."""
    if test in ("", ".", "..") or "/" in test or "\0" in test or len(os.fsencode(test)) > _LONGEST_NAME:
        shown = repr(test if len(test) <= 40 else f"{test[:40]}...")
        raise CommandError(
            f"--test {shown}: no name for the folder of its reports; rename the test set, or give --output FOLDER"
        )


def names_of(paths: Sequence[Path], labels: Sequence[str] | None = None, *, ensemble: Sequence[Path] = ()) -> list[str]:
    """Return the name of each of `paths` in tables and figures: its label if any are given, with controls escaped.

    By default a name is the shortest end of its path that no other path has, and the first has those of `ensemble`
    behind it, with + between. Raises CommandError if there are fewer or
    more labels than paths, or if two of them are the same.
    """
    whole = [path.resolve() for path in (*paths, *ensemble)]
    bare = [path if (plain := _without_gz(path)) in whole else plain for path in whole]
    # They are drawn in figures, too, and no font can draw half a character.
    ends = [escaped(_own_end(bare, at)) for at in range(len(bare))]
    names = ["+".join(ends[:1] + ends[len(paths) :]), *ends[1 : len(paths)]]
    if labels is None:
        return names
    if len(labels) != len(names):
        raise CommandError(f"--label: {len(labels)} for {', '.join(names)}; give one for each, in this order")
    found = [escaped(as_text("--label", label).strip()) for label in labels]
    for label in found:
        if not label:
            raise CommandError("--label: empty; give a name for tables and figures")
        if found.count(label) > 1:
            raise CommandError(f"--label: {label!r} is given twice; give each its own, in the order {', '.join(names)}")
    return found


def _without_gz(path: Path) -> Path:
    return path.with_suffix("") if path.suffix == ".gz" else path


def _own_end(paths: Sequence[Path], at: int) -> str:
    """Return the fewest last parts of a path with which none of the other `paths` ends."""
    path, others = paths[at], [*paths[:at], *paths[at + 1 :]]
    for count in range(1, len(path.parts)):
        end = path.parts[-count:]
        if not any(other.parts[-count:] == end for other in others):
            return "/".join(end)
    return str(path)

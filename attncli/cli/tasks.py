"""Which task the runs of a command line are of, and which of the given options mean something to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

from attncli.errors import CommandError, ConfigError, unknown

# What a folder that is no run is taken for: the command that then loads it says what is wrong.
_FIRST = "translation"


@dataclass(frozen=True)
class EvaluationOptions:
    """What `attncli eval` was asked for; None and empty where an option was not given."""

    output: Path | None
    checkpoint: str
    device: str
    test: str | None
    source: Path | None
    reference: tuple[Path, ...]
    hypotheses: tuple[Path, ...]
    beam_size: int | None
    length_penalty: float | None
    batch_size: int | None
    precision: str | None
    too_long: str | None
    length: str | None
    metric: tuple[str, ...]
    corruption: str | None


@dataclass(frozen=True)
class VisualizationOptions:
    """What `attncli visualize` was asked for; None and empty where an option was not given."""

    output: Path
    format: str | None
    checkpoint: str
    device: str
    text: tuple[str, ...]
    input: tuple[Path, ...]
    target: tuple[str, ...]
    image: tuple[Path, ...]
    test: str | None
    corruption: str | None
    beam_size: int | None
    length_penalty: float | None


Options = TypeVar("Options")
Place = TypeVar("Place")

# Options that every task has.
_COMMON = frozenset({"output", "checkpoint", "device"})


@dataclass(frozen=True)
class TaskCommand(Generic[Place, Options]):
    """What a command does for one task: `start` with its runs and the options, of which it reads `takes`."""

    takes: frozenset[str]
    start: Callable[[Place, Options], None]

    def __call__(self, place: Place, options: Options, *, task: str) -> None:
        """Start it; a CommandError names the first given option that means nothing to the task."""
        for field in fields(options):  # type: ignore[arg-type]
            if getattr(options, field.name) not in (None, ()) and field.name not in _COMMON | self.takes:
                option = f"--{field.name.replace('_', '-')}"
                raise CommandError(f"{option}: means nothing for runs of task {task}; leave it out")
        self.start(place, options)


def task_of(folder: Path, tasks: Mapping[str, Any]) -> str:
    """Return which of `tasks` the run in `folder` is of, without checking the rest of its configuration."""
    return _named_task(folder, tasks) or _FIRST


def one_task(folders: Sequence[Path], tasks: Mapping[str, Any]) -> str:
    """Return the task that all runs in `folders` are of, or raise a CommandError that names two that differ."""
    found = {folder: task for folder in folders if (task := _named_task(folder, tasks))}
    for folder, task in found.items():
        first = next(iter(found))
        if task != found[first]:
            raise CommandError(
                f"{folder}: is a run of task {task}, but {first} of task {found[first]}; give runs of one task"
            )
    return next(iter(found.values()), _FIRST)


def names_of(paths: Sequence[Path]) -> list[str]:
    """Return the last part of each path, or the whole paths where last parts are the same."""
    names = [path.resolve().name.removesuffix(".gz") for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _named_task(folder: Path, tasks: Mapping[str, Any]) -> str | None:
    from attncli.config.yaml_core import parse_yaml

    path = folder / "config.yaml"
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"), where=str(path))
    except (OSError, UnicodeDecodeError, ConfigError):
        return None
    task = values.get("task") if isinstance(values, dict) else None
    if isinstance(task, str) and task not in tasks:
        raise CommandError(f"{path}: {unknown('task', task, tasks)}")
    return task if isinstance(task, str) else None

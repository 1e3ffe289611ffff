"""Reads the records of a run's `log.jsonl`, from which curves are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attncli.errors import RunError
from attncli.files.reading import unreadable
from attncli.files.untrusted import file_inside, parse_json

LOG = "log.jsonl"
_MEASURED = ("train", "validation")  # events whose records are numbers
_LONGEST = 1 << 20  # bytes of a record


@dataclass(frozen=True)
class Curve:
    """Numbers over steps."""

    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class TrainingLog:
    """The records of a run by event, in the order of their steps."""

    train: tuple[dict[str, Any], ...]
    validation: tuple[dict[str, Any], ...]

    def curve(self, event: str, key: str) -> Curve:
        """Return `key` of the records of `event` ("train" or "validation") that have it."""
        records = self.train if event == "train" else self.validation
        found = [(record["step"], float(record[key])) for record in records if key in record]
        return Curve(tuple(step for step, _ in found), tuple(value for _, value in found))


def read_log(folder: Path) -> TrainingLog:
    """Return the log of the run in `folder`; where a resumed run repeated a step, its last record counts.

    Raises RunError if there is no log or a line is not a record.
    """
    if not (folder / LOG).exists():
        raise RunError(f"{folder}: not a run with a log: missing {LOG}")
    by_step: dict[str, dict[int, dict[str, Any]]] = {event: {} for event in _MEASURED}
    for record in read_records(folder):
        if record["event"] in by_step:
            by_step[record["event"]][record["step"]] = record
    train, validation = (tuple(records[step] for step in sorted(records)) for records in by_step.values())
    if not train and not validation:
        raise RunError(f"{folder / LOG}: no records of training or validation yet; draw curves after the first ones")
    return TrainingLog(train, validation)


def read_records(folder: Path, *, size: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield the records in the log of the run in `folder`, or in its first `size` bytes.

    A last line without a newline is ignored: a run that is training or was killed may have written half of it. Raises
    RunError where another line is not a record.
    """
    path = folder / LOG
    try:
        with file_inside(folder, LOG).open("rb") as file:
            number = 0
            while (line := file.readline(_LONGEST)).endswith(b"\n") and (size is None or file.tell() <= size):
                number += 1
                yield _record(line, where=f"{path}:{number}")
    except OSError as error:
        raise RunError(str(unreadable(path, error))) from None
    if len(line) == _LONGEST:
        raise RunError(f"{path}:{number + 1}: damaged: a line of more than {_LONGEST >> 20} MiB")


def _record(line: bytes, *, where: str) -> dict[str, Any]:
    try:
        record = parse_json(line.decode())
    except ValueError:  # UnicodeDecodeError is one
        record = None
    if not isinstance(record, dict) or not isinstance(record.get("event"), str):
        raise RunError(
            f"{where}: damaged: expected a JSON record, found {line[:60].decode(errors='replace').rstrip()!r}"
        )
    if record["event"] in _MEASURED:
        if "step" not in record:
            raise RunError(f"{where}: damaged: a record of {record['event']} without its step")
        if not isinstance(record["step"], int):
            raise RunError(f"{where}: damaged: 'step' should be a whole number, but is {str(record['step'])[:60]!r}")
        for key, value in record.items():
            if key != "event" and not isinstance(value, int | float):
                raise RunError(f"{where}: damaged: {key[:60]!r} should be a number, but is {str(value)[:60]!r}")
    return record

"""Reads the records of a run's `log.jsonl`, from which curves are drawn."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attncli.errors import RunError


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
        found = [(int(record["step"]), float(record[key])) for record in records if record.get(key) is not None]
        return Curve(tuple(step for step, _ in found), tuple(value for _, value in found))


def read_log(folder: Path) -> TrainingLog:
    """Return the log of the run in `folder`; where a resumed run repeated a step, its last record counts.

    Raises RunError if there is no log or a line is not a record. A last line without a newline is ignored: a run that
    is training or was killed may have written half of it.
    """
    path = folder / "log.jsonl"
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{folder}: not a run with a log: missing log.jsonl") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: cannot be read: {error}") from None
    by_step: dict[str, dict[int, dict[str, Any]]] = {"train": {}, "validation": {}}
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        record = _record(line, where=f"{path}:{number}")
        if record.get("event") in by_step:
            by_step[record["event"]][record["step"]] = record
    train, validation = (tuple(records[step] for step in sorted(records)) for records in by_step.values())
    if not train and not validation:
        raise RunError(f"{path}: no records of training or validation yet; draw curves after the first ones")
    return TrainingLog(train, validation)


def _record(line: str, *, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict) or ("event" in record and not isinstance(record.get("step", 0), int)):
        raise RunError(f"{where}: damaged: expected a JSON record, found {line[:60]!r}")
    if record.get("event") in ("train", "validation") and "step" not in record:
        raise RunError(f"{where}: damaged: a record of {record['event']} without its step")
    return record

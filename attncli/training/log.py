"""Reports of training: `log.jsonl` always, TensorBoard on request."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol

from attncli.errors import CommandError
from attncli.runs.saving import explained

Record = Mapping[str, Any]
_BLOCK = 1 << 16


class Report(Protocol):
    """Something that receives every event of training."""

    def record(self, record: Record) -> None:
        """Receive `record`; its "event" says what happened."""

    def close(self) -> None:
        """Finish the report."""


class JsonLines:
    """`log.jsonl`, one record a line."""

    def __init__(self, path: Path, *, size: int = 0):
        """Continue the log at `path` after its first `size` bytes; a process that was killed wrote the rest."""
        self.path = path
        with explained(path):
            self._file = path.open("ab+")
            self._file.truncate(_end_of_lines(self._file, size))
            self._file.seek(0, os.SEEK_END)

    def record(self, record: Record) -> None:
        """Append `record`."""
        line = json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
        with explained(self.path):
            self._file.write(line.encode())
            self._file.flush()

    def flushed_size(self) -> int:
        """Return the log's size in bytes, once all of it is on the disk."""
        with explained(self.path):
            os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _end_of_lines(file: IO[bytes], size: int) -> int:
    """Return where the last whole line within the first `size` bytes of `file` ends; a damaged disk may have cut it."""
    end = min(size, file.seek(0, os.SEEK_END))
    file.seek(0)
    while end > 0:
        start = max(0, end - _BLOCK)
        file.seek(start)
        if (last := file.read(end - start).rfind(b"\n")) >= 0:
            return start + last + 1
        end = start
    return 0


class TensorBoard:
    """TensorBoard events of the numbers in training and validation records."""

    def __init__(self, folder: Path, *, step: int):
        """Write into `folder`, hiding the events after `step` that a killed process wrote."""
        check_tensorboard()
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=step + 1)

    def record(self, record: Record) -> None:
        """Add each number of a training or validation record to its curve."""
        if record["event"] not in ("train", "validation"):
            return
        for name, value in record.items():
            if name not in ("event", "step", "seconds") and not isinstance(value, bool | str):
                self._writer.add_scalar(f"{record['event']}/{name}", value, record["step"])

    def close(self) -> None:
        """Flush and close the file."""
        self._writer.close()


def check_tensorboard() -> None:
    """Raise a CommandError if the package that TensorBoard needs is missing."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        raise CommandError(
            "training.tensorboard: needs the package tensorboard; install it with "
            "pip install 'attncli[tensorboard]', or set training.tensorboard=false"
        ) from None


class Reports:
    """All reports of a training run."""

    def __init__(self, log: JsonLines, others: list[Report]):
        self.log = log
        self._all: list[Report] = [log, *others]

    def tell(self, event: str, facts: Record) -> None:
        """Send every report the record of `event`."""
        for report in self._all:
            report.record({"event": event, **facts})

    def __enter__(self) -> Reports:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for report in self._all:
            report.close()

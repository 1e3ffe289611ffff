"""Speed, duration and memory of a training, from the log of the run and the notes on its parts."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from attncli.errors import RunError
from attncli.evaluation.report import TrainingCost
from attncli.runs.folder import RunFolder
from attncli.runs.log import read_log


def training_cost(folder: Path) -> TrainingCost | None:
    """Return the cost of training the run in `folder`; None without a log. Raises RunError for a damaged one."""
    if not (folder / "log.jsonl").exists():
        return None
    log = read_log(folder)
    speeds = log.curve("train", "tokens_per_second").values
    seconds = [curve.values[-1] for event in ("train", "validation") if (curve := log.curve(event, "seconds")).values]
    peaks = [part.peak_memory_bytes for part in RunFolder(folder).facts().parts]
    peak = max((known for known in peaks if known is not None), default=None)
    return TrainingCost(median(speeds), max(seconds), peak) if speeds and seconds else None


def training_cost_or_note(folder: Path, name: str) -> tuple[TrainingCost | None, tuple[str, ...]]:
    """Return the cost of training the run in `folder`, or a note about the run `name` if its log is damaged."""
    try:
        return training_cost(folder), ()
    except RunError as error:
        return None, (f"{name}: what its training took is not known: {error}",)

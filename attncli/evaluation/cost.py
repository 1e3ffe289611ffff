"""What the training of a run took, by its log."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from attncli.errors import RunError
from attncli.evaluation.report import TrainingCost
from attncli.runs.log import read_log


def training_cost(folder: Path) -> TrainingCost | None:
    """Return what the training of the run in `folder` took; None without a log. Raises RunError for a damaged one."""
    if not (folder / "log.jsonl").exists():
        return None
    log = read_log(folder)
    speeds = log.curve("train", "tokens_per_second").values
    seconds = [curve.values[-1] for event in ("train", "validation") if (curve := log.curve(event, "seconds")).values]
    return TrainingCost(median(speeds), max(seconds)) if speeds and seconds else None


def training_cost_or_note(folder: Path, name: str) -> tuple[TrainingCost | None, tuple[str, ...]]:
    """Return what the training of the run in `folder` took, and where its log is damaged a note on the run `name`."""
    try:
        return training_cost(folder), ()
    except RunError as error:
        return None, (f"{name}: what its training took is not known: {error}",)

"""Processes that a launcher has started for one command, which the first of them runs and the others help with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch

from attncli.machine.processes import ALONE, LostError, Processes
from attncli.machine.workers import Other, answered

Work = Callable[[torch.device], Callable[[Any], Any]]
"""Returns what answers jobs on a device."""

_helped = ALONE


@contextmanager
def helped_by(processes: Processes) -> Iterator[None]:
    """Have the other `processes`, which `help_first`, answer jobs of this one within the context, and then leave."""
    global _helped
    _helped = processes
    try:
        yield
        for rank in range(1, processes.count):
            processes.send(None, rank)
    finally:
        _helped = ALONE


def helping() -> Processes:
    """Return this process among those that help it; alone if there are none."""
    return _helped


def help_first(processes: Processes, device: torch.device) -> None:
    """Answer jobs of the first process on `device`, until its command ends."""
    while (work := processes.receive(0)) is not None:
        answer = work(device)
        while (job := processes.receive(0)) is not None:
            processes.send(answered(answer, job), 0)


class Launched(Other):
    """One of the processes that help the first, which answers by `work`."""

    def __init__(self, processes: Processes, rank: int, work: Work):
        self._processes, self._rank, self._work = processes, rank, work

    def prepare(self) -> None:
        """Send what jobs are answered by."""
        with self._reached():
            self._processes.send(self._work, self._rank)

    def ask(self, job: Any) -> Any:
        """Return the answer of the process."""
        with self._reached():
            self._processes.send(job, self._rank)
            return self._processes.receive(self._rank)

    def leave(self) -> None:
        """Let the process wait for other work."""
        with suppress(LostError):
            self._processes.send(None, self._rank)

    def hurry(self) -> None:
        """Wait for the answer, which is soon there: the process is needed for other work."""

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except LostError:
            raise LostError(
                f"process {self._rank} of {self._processes.count} has ended, or cannot be reached, so not all is "
                "written; start again, with fewer processes if memory has run out"
            ) from None


def others_of(processes: Processes, work: Work) -> Callable[[], Launched]:
    """Return what gives each of the other `processes` once, as one that answers by `work`."""
    ranks = iter(range(1, processes.count))
    return lambda: Launched(processes, next(ranks), work)

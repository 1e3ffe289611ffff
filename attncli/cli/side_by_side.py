"""Trainings side by side: each is the command `attncli train` in a process of its own, with a log of what it says."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from attncli.cli.terminal import say, tell, tell_error
from attncli.errors import Stopped, TrainingError
from attncli.machine.progress import progress
from attncli.training.signals import StopRequest, stop_request

_INTERVAL = 0.1  # seconds between two looks at what has ended
_STOPPED = 128 + signal.SIGTERM  # the exit code of a training that was asked to stop, and has saved


@dataclass(frozen=True)
class Training:
    """What `attncli train` shall do; `place` says in messages which of all it is."""

    name: str
    place: str
    arguments: Sequence[str]  # without its device
    log: Path


def train_side_by_side(trainings: Sequence[Training], *, count: int, device: str, what: str) -> None:
    """Train `count` of `trainings` at a time, each with one thread unless OMP_NUM_THREADS says how many.

    A signal lets all of them save and end, and raises Stopped; a second one ends the wait for them. Those that fail are
    reported while the others go on, and a TrainingError, which begins with `what`, names them in the end.
    """
    waiting, running, ended = list(trainings), list[_Process](), list[_Process]()
    with stop_request() as stop, _closed_terminal_stops(), progress(len(trainings), "trainings") as advance:
        try:
            while running or (waiting and not stop.requested):
                while waiting and len(running) < count and not stop.requested:
                    slot = min(set(range(count)) - {process.slot for process in running})
                    running.append(_Process(waiting.pop(0), slot, _own_device(device, slot)))
                time.sleep(_INTERVAL)
                if stop.requested:
                    _stop(running)
                for process in [each for each in running if each.has_ended()]:
                    running.remove(process)
                    ended.append(process)
                    process.report(asked_to_stop=stop.requested)
                    advance(1)
        finally:
            _stop(running)
    _raise_unless_all_ended_well(ended, stop, what)


@contextmanager
def _closed_terminal_stops() -> Iterator[None]:
    """Take the end of the terminal for SIGTERM, or trainings that it does not reach would go on unseen."""
    before = signal.getsignal(signal.SIGHUP)
    if before is not signal.SIG_IGN:  # as by nohup
        signal.signal(signal.SIGHUP, lambda number, frame: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _own_device(name: str, slot: int) -> str:
    """Return the device of the process in place `slot` among those that run; CUDA devices are dealt among them."""
    if name in ("auto", "cuda") and torch.cuda.is_available():
        return f"cuda:{slot % torch.cuda.device_count()}"
    return name


class _Process:
    """A running training. Signals from the terminal do not reach it: the process that started it decides."""

    def __init__(self, training: Training, slot: int, device: str):
        self.training, self.slot = training, slot
        arguments = [*training.arguments, "--device", device]
        training.log.parent.mkdir(parents=True, exist_ok=True)
        with training.log.open("a", encoding="utf-8") as log:
            print(f"$ {shlex.join(['attncli', *arguments])}", file=log, flush=True)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "attncli", *arguments],
                env={"OMP_NUM_THREADS": "1", **os.environ},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
                errors="backslashreplace",
                start_new_session=True,
            )
        self._is_asked = False
        tell(f"training {training.place}")

    def stop(self) -> None:
        """Ask it, once, to save and to end."""
        if not self._is_asked:
            self._is_asked = True
            self._process.terminate()

    def has_ended(self) -> bool:
        """Tell whether it has ended."""
        return self._process.poll() is not None

    @property
    def code(self) -> int:
        """Its exit code, or less than 0 where a signal killed it."""
        return self._process.wait()

    def report(self, *, asked_to_stop: bool) -> None:
        """Say what it has given, or why it failed, unless it was `asked_to_stop`."""
        given = self._process.communicate()[0]
        with self.training.log.open("a", encoding="utf-8") as log:
            log.write(given)
        if self.code == 0:
            say(*given.splitlines())
        elif not asked_to_stop:
            tell_error(f"training {self.training.place}: {self._reason()}")

    def _reason(self) -> str:
        if self.code < 0:
            return f"was ended by {signal.Signals(-self.code).name}"
        said = self.training.log.read_text(encoding="utf-8", errors="backslashreplace").splitlines()
        errors = [number for number, line in enumerate(said) if line.startswith("attncli: ")]
        if not errors or any(line.startswith("$ ") for line in said[errors[-1] :]):
            return f"ended with exit code {self.code}"
        return "\n".join(said[errors[-1] :]).removeprefix("attncli: ")


def _stop(running: Iterable[_Process]) -> None:
    for process in running:
        process.stop()


def _raise_unless_all_ended_well(ended: Sequence[_Process], stop: StopRequest, what: str) -> None:
    if stop.number is not None:
        saved = _names(process for process in ended if process.code == _STOPPED)
        raise Stopped(
            f"{what}: stopped{f', and saved {saved}' if saved else ''}; the same command goes on",
            signal_number=stop.number,
        )
    if failed := [process for process in ended if process.code]:
        logs = f"{'its log is' if len(failed) == 1 else 'their logs are'} in {failed[0].training.log.parent}"
        raise TrainingError(
            f"{what}: not scored, since {_names(failed)} failed; {logs}, and the same command tries again"
        )


def _names(processes: Iterable[_Process]) -> str:
    *most, last = [process.training.name for process in processes] or [""]
    return f"{', '.join(most)} and {last}" if most else last

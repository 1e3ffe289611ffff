"""Work for several processes, of which this is one."""

from __future__ import annotations

import pickle
import shutil
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any, Generic, TypeVar

import torch
from torch import nn
from torch.multiprocessing import get_context

from attncli.errors import CommandError, UserError
from attncli.machine.allocator import keep_freed_memory

Job = TypeVar("Job")
Answer = TypeVar("Answer")
AnyModel = TypeVar("AnyModel", bound=nn.Module)
# Not forked: a copy of a process whose libraries have threads may wait for one of them for ever.
_processes = get_context("spawn")
_SHARED = Path("/dev/shm")
_NONE = pickle.dumps(None)


class Other(ABC):
    """Another process that answers jobs, of which a thread of this one asks it."""

    @abstractmethod
    def prepare(self) -> None:
        """Wait until it can answer; raises what `ask` raises."""

    @abstractmethod
    def ask(self, job: Any) -> Any:
        """Return its answer, or None where it has none; raises a UserError if the process has died."""

    @abstractmethod
    def leave(self) -> None:
        """Ask for nothing more; called by the thread that asks."""

    @abstractmethod
    def hurry(self) -> None:
        """Let the thread that asks have its answer, or an error, soon, as nobody waits for it."""


class Workers(Generic[Job, Answer]):
    """Answers jobs in `count` processes: this one, and others, each from `start`, which are there once there are jobs.

    The others answer as `answer` does here. A job is answered by whichever process is free. While they get ready, which
    may take seconds, this process goes on, so that little work is done before they are there.
    """

    def __init__(self, answer: Callable[[Job], Answer], *, start: Callable[[], Other], count: int):
        self.count = count
        self._answer, self._start = answer, start
        self._waiting: SimpleQueue[_Task[Job, Answer] | None] = SimpleQueue()
        self._threads: list[Thread] = []  # one for each other process
        self._others: list[Other] = []
        self._failure: Exception | None = None
        self._closed = False

    def __enter__(self) -> Workers[Job, Answer]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        for _ in self._threads:
            self._waiting.put(None)
        for other in list(self._others):
            other.hurry()
        for thread in self._threads:
            thread.join()

    def start(self, job: Job) -> Callable[[], Answer]:
        """Let `job` be answered; the function returned waits for the answer, or gives it in this process.

        It raises what `answer` raises here, and a UserError if another process has died.
        """
        task = _Task[Job, Answer](job)
        self._waiting.put(task)
        if len(self._threads) < min(self.count, self._waiting.qsize()) - 1:
            self._threads.append(Thread(target=self._drive, daemon=True))
            self._threads[-1].start()
        return partial(self._result, task)

    def _result(self, task: _Task[Job, Answer]) -> Answer:
        while not task.answer.done():
            if self._failure is not None:
                raise self._failure
            try:
                mine = self._waiting.get_nowait()
            except Empty:
                break
            assert mine is not None, "only the end of the context asks threads to end"
            mine.answer.set_result(self._answer(mine.job))
        try:
            return task.answer.result()
        except _Refused:
            # Here it is raised once more, as what it is, or there is now the memory that it lacked.
            return self._answer(task.job)

    def _drive(self) -> None:
        """Get another process and pass jobs to it, one after the other."""
        task: _Task[Job, Answer] | None = None
        other: Other | None = None
        try:
            other = self._start()
            self._others.append(other)
            if self._closed:
                other.hurry()
            other.prepare()
            while (task := self._waiting.get()) is not None:
                task.pass_to(other)
        except Exception as error:  # also a fault of the program, which the thread that asks shall see
            self._failure = error
        finally:
            if task is not None and not task.answer.done():
                task.answer.set_exception(self._failure or _Refused())
            if other is not None:
                other.leave()


@dataclass(frozen=True)
class _Task(Generic[Job, Answer]):
    job: Job
    answer: Future[Answer] = field(default_factory=Future)

    def pass_to(self, other: Other) -> None:
        """Have the job answered by another process; raises a UserError if that dies."""
        found = other.ask(self.job)
        if found is None:
            self.answer.set_exception(_Refused())
        else:
            self.answer.set_result(found)


class _Refused(Exception):  # noqa: N818 - never shown
    """A process could not answer a job."""


def answered(answer: Callable[[Any], Any], job: Any) -> Any:
    """Return what `answer` says to `job`, or None where it fails: the process that asks answers it then."""
    try:
        return answer(job)
    except Exception:
        return None


class Spawned(Other):
    """A process of one thread that this one starts, and that ends with it.

    It has what `answer` is, which shares the tensors that are in shared memory, and must not change meanwhile.
    """

    def __init__(self, answer: Callable[[Any], Any]):
        self._pipe, there = _processes.Pipe()
        self._process = _processes.Process(target=_serve, args=(there, answer), daemon=True)
        self._is_ready = False
        # Starting this one unblocks signals. Ctrl-C on a terminal reaches every process, but this alone answers it.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        self._process.start()
        there.close()

    def prepare(self) -> None:
        """Wait until the process has started."""
        with self._alive():
            self._pipe.recv_bytes()
        self._is_ready = True

    def ask(self, job: Any) -> Any:
        """Return the answer of the process."""
        with self._alive():
            self._pipe.send_bytes(pickle.dumps(job))
            return pickle.loads(self._pipe.recv_bytes())

    def leave(self) -> None:
        """Wait for the end of the process."""
        self._pipe.close()
        self._process.join()

    def hurry(self) -> None:
        """Kill the process: there is nothing that it could still save."""
        self._process.kill()

    @contextmanager
    def _alive(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError):
            self._process.join()
            raise UserError(_what_became_of(self._process.exitcode, started=self._is_ready)) from None


def _serve(pipe: Connection, answer: Callable[[Any], Any]) -> None:
    """Answer the jobs that come through `pipe` until its other end is closed."""
    torch.set_num_threads(1)
    keep_freed_memory()
    with suppress(EOFError, OSError):
        pipe.send_bytes(b"ready")
        while True:
            pipe.send_bytes(answered(lambda job: pickle.dumps(answer(pickle.loads(job))), pipe.recv_bytes()) or _NONE)


def _what_became_of(exit_code: int | None, *, started: bool) -> str:
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        return f"a worker was killed ({name}), as systems do that run out of memory; fewer --workers need less"
    if started:
        return f"a worker ended with exit code {exit_code}; leave --workers out"
    return (
        f"a worker ended with exit code {exit_code} as it started; a script uses workers below "
        'if __name__ == "__main__": alone'
    )


def in_shared_memory(model: AnyModel) -> AnyModel:
    """Return `model`, on the CPU, with its tensors moved to memory that processes share.

    Raises a CommandError where the system has not enough of it, as containers may have little.
    """
    needed = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    if _SHARED.is_dir() and (free := shutil.disk_usage(_SHARED).free) < needed:
        raise CommandError(
            f"--workers: the weights take {needed / 2**20:,.0f} MiB of shared memory, but {_SHARED} has "
            f"{free / 2**20:,.0f} MiB free; enlarge it (docker run --shm-size) or leave --workers out"
        )
    return model.share_memory()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread within the context."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

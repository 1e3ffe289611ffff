"""Work for several processes of one thread each, of which this is one."""

from __future__ import annotations

import pickle
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
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


class Workers(Generic[Job, Answer]):
    """Answers jobs in `count` processes of one thread each: this one, and others that start once there are jobs.

    Each other process has what `elsewhere` is, which does the same as `answer`, shares the tensors that are in shared
    memory, and must not change meanwhile, as it is sent by threads while this process answers. A job is answered by
    whichever process is free. While they start, which takes seconds, this process goes on, so that little work is
    done before they are there. They end with the context.
    """

    def __init__(self, answer: Callable[[Job], Answer], *, elsewhere: Callable[[Job], Answer], count: int):
        self.count = count
        self._answer, self._elsewhere = answer, elsewhere
        self._waiting: SimpleQueue[_Task[Job, Answer] | None] = SimpleQueue()
        self._threads: list[Thread] = []  # one for each other process
        self._others: list[Any] = []
        self._failure: Exception | None = None
        self._closed = False

    def __enter__(self) -> Workers[Job, Answer]:
        self._threads_before = torch.get_num_threads()
        torch.set_num_threads(1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        for _ in self._threads:
            self._waiting.put(None)
        for process in list(self._others):
            process.kill()  # there is nothing that it could still save
        for thread in self._threads:
            thread.join()
        for process in self._others:
            process.join()
        torch.set_num_threads(self._threads_before)

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
            assert mine is not None, "only the end of the context asks processes to end"
            mine.answer.set_result(self._answer(mine.job))
        try:
            return task.answer.result()
        except _Refused:
            # Here it is raised once more, as what it is, or there is now the memory that it lacked.
            return self._answer(task.job)

    def _drive(self) -> None:
        """Start a process and pass jobs to it, one after the other."""
        here, there = _processes.Pipe()
        process = _processes.Process(target=_serve, args=(there, self._elsewhere), daemon=True)
        # Starting this one unblocks signals. Ctrl-C on a terminal reaches every process, but this alone answers it.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        task: _Task[Job, Answer] | None = None
        try:
            process.start()
            self._others.append(process)
            there.close()
            if self._closed:
                process.kill()
            here.recv_bytes()  # it is ready
            while (task := self._waiting.get()) is not None:
                task.pass_to(here)
        except (EOFError, OSError) as error:
            self._failure = error
            if process.pid is not None:
                process.join()
                self._failure = UserError(_what_became_of(process.exitcode, started=task is not None))
        except Exception as error:  # a fault of the program, which the thread that asks shall see
            self._failure = error
        finally:
            if task is not None and not task.answer.done():
                task.answer.set_exception(self._failure or _Refused())
            here.close()


@dataclass(frozen=True)
class _Task(Generic[Job, Answer]):
    job: Job
    answer: Future[Answer] = field(default_factory=Future)

    def pass_to(self, process: Connection) -> None:
        """Have the job answered by a `process`; raises an EOFError or OSError if that dies."""
        process.send_bytes(pickle.dumps(self.job))
        found = pickle.loads(process.recv_bytes())
        if found is None:
            self.answer.set_exception(_Refused())
        else:
            self.answer.set_result(found)


class _Refused(Exception):  # noqa: N818 - never shown
    """A process could not answer a job."""


def _serve(pipe: Connection, answer: Callable[[Any], Any]) -> None:
    """Answer the jobs that come through `pipe` until its other end is closed, with None where that fails."""
    torch.set_num_threads(1)
    keep_freed_memory()
    with suppress(EOFError, OSError):
        pipe.send_bytes(b"ready")
        while True:
            job = pickle.loads(pipe.recv_bytes())
            try:
                found = pickle.dumps(answer(job))
            except Exception:
                found = pickle.dumps(None)
            pipe.send_bytes(found)


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

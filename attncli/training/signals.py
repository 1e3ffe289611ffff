"""SIGINT and SIGTERM: the first asks training to save and stop, a second one kills it at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from attncli.machine.processes import ALONE, Processes

_AT_ONCE = 0.05  # seconds between signals that are one request
_AT_ONCE_TOGETHER = 5.0  # the same where a launcher passes on the signal that each process gets as well
_NOTICE = b"\nstopping after this step, and saving; again to quit at once\n"


class StopNow(BaseException):
    """Abandons work that a stop need not wait for. Not an Exception, so that no handler on the way swallows it."""


class StopRequest:
    """Whether a signal has asked training to stop; `number` is None until one has."""

    def __init__(self, processes: Processes = ALONE) -> None:
        self.number: int | None = None
        self._at_once = _AT_ONCE if processes.count == 1 else _AT_ONCE_TOGETHER
        self._notices = processes.is_first
        self._received = 0.0
        self._leaving = False

    @property
    def requested(self) -> bool:
        """Whether a signal has arrived."""
        return self.number is not None

    @property
    def name(self) -> str:
        """The name of the signal that arrived."""
        return signal.Signals(self.number).name if self.number is not None else "none"

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            # A scheduler may send both signals at once. Python warns of one that arrives while handlers are replaced,
            # so they stay until a signal is meant to kill.
            if time.monotonic() - self._received > self._at_once:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
            return
        self.number, self._received = number, time.monotonic()
        # print() is not reentrant: the signal may have arrived while it was writing.
        if self._notices:
            with suppress(OSError):
                os.write(2, _NOTICE)
        if self._leaving:
            raise StopNow

    @contextmanager
    def leaving_at_once(self) -> Iterator[None]:
        """Within this block, a signal raises StopNow instead of waiting to be noticed."""
        self._leaving = True
        try:
            if self.number is not None:
                raise StopNow
            yield
        finally:
            self._leaving = False


@contextmanager
def stop_request(processes: Processes = ALONE) -> Iterator[StopRequest]:
    """Yield a request that SIGINT and SIGTERM fill; the previous handlers are restored afterwards.

    Outside the main thread, where Python allows no signal handlers, it stays empty.
    """
    request = StopRequest(processes)
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request._receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            # None stands for a handler that Python did not set and cannot restore.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

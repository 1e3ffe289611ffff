"""Interrupt and terminate: the first asks training to stop, the second kills."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NOTICE = b"\nstopping after this step, and saving; again to quit at once\n"


class StopNow(BaseException):
    """Leaves a piece of work that a stop need not wait for. Not an Exception, so that nothing below swallows it."""


class StopRequest:
    """What signals have asked for; `number` is None until one has come."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._leaving = False

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self.number is not None

    @property
    def name(self) -> str:
        """The name of the signal that came."""
        return signal.Signals(self.number).name if self.number is not None else "none"

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        # print() may not be entered again from a signal that came while it was writing.
        os.write(2, _NOTICE)
        if self._leaving:
            raise StopNow

    @contextmanager
    def leaving_at_once(self) -> Iterator[None]:
        """Within it, a signal raises StopNow instead of waiting to be asked about."""
        self._leaving = True
        try:
            if self.number is not None:
                raise StopNow
            yield
        finally:
            self._leaving = False


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Yield a request that SIGINT and SIGTERM fill; the handlers before it are back afterwards.

    Outside the main thread, where Python lets nobody handle signals, it stays empty.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request._receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            # None stands for a handler that was not set by Python and cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

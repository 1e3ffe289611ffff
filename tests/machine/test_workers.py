"""Jobs go to whichever process is free, and come back as if this one had done them all."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

from attncli.errors import CommandError, DataError, UserError
from attncli.machine.workers import Spawned, Workers, in_shared_memory, one_thread


class Usage(NamedTuple):
    free: int


@dataclass(frozen=True)
class Doubling:
    """Doubles a number, and says where, with how many threads and with what weights."""

    model: nn.Module

    def __call__(self, number: int) -> tuple[int, int, int, float]:
        return 2 * number, os.getpid(), torch.get_num_threads(), float(next(self.model.parameters()).detach().sum())


def workers(answer: Callable[[int], Any], count: int) -> Workers[int, Any]:
    return Workers(answer, start=partial(Spawned, answer), count=count)


def in_another(answer: Callable[[int], Any], team: Workers[int, Any]) -> Any:
    """Return the first answer to come from another process."""
    for number in range(2000):
        waiting = [team.start(number), team.start(number)]
        for get in waiting:
            found = get()
            if found[1] != os.getpid():
                return found
        time.sleep(0.02)
    raise AssertionError("no other process has answered")


def test_other_processes_have_one_thread_and_the_same_weights() -> None:
    model = in_shared_memory(nn.Linear(3, 2))
    with workers(Doubling(model), 2) as team:
        in_another(Doubling(model), team)
        with torch.no_grad():
            model.weight.fill_(7.0)  # seen by all, as it is stored once
        *_, used, total = in_another(Doubling(model), team)
    assert (used, total) == (1, 42.0)
    assert multiprocessing.active_children() == []


def test_one_thread_is_used_within_the_context_alone() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3
    torch.set_num_threads(before)


def test_one_job_starts_no_process() -> None:
    with workers(partial(pow, 2), 3) as team:
        assert [team.start(number)() for number in range(4)] == [1, 2, 4, 8]
        assert multiprocessing.active_children() == []
        assert team._threads == []


def test_no_more_processes_start_than_there_are_jobs() -> None:
    with workers(partial(pow, 3), 9) as team:
        waiting = [team.start(number) for number in range(3)]
        assert [get() for get in waiting] == [1, 3, 9]
        assert len(team._threads) == 2, "this process is the third"


def elsewhere_alone(here: int, number: int) -> int:
    """Fail in every process but `here`."""
    if os.getpid() != here:
        raise MemoryError
    return number + 1


def test_what_another_process_cannot_answer_is_answered_here() -> None:
    with workers(partial(elsewhere_alone, os.getpid()), 2) as team:
        until = time.monotonic() + 20
        while time.monotonic() < until and not team._others:
            assert [get() for get in [team.start(4), team.start(5)]] == [5, 6]
        for _ in range(300):
            assert [get() for get in [team.start(4), team.start(5)]] == [5, 6]
            time.sleep(0.01)


def refused(number: int) -> int:
    raise DataError(f"no {number}")


def test_an_error_is_raised_as_what_it_is() -> None:
    with workers(refused, 3) as team:
        waiting = [team.start(4) for _ in range(3)]
        with pytest.raises(DataError, match=r"^no 4$"):
            waiting[2]()
    assert multiprocessing.active_children() == []


def slow(here: int, number: int) -> int:
    if os.getpid() != here:
        time.sleep(60)
    time.sleep(0.01)
    return number


def work_while_others_are_killed(team: Workers[int, Any]) -> None:
    while True:
        for get in [team.start(1), team.start(2), team.start(3)]:
            for process in multiprocessing.active_children():
                os.kill(process.pid or 0, signal.SIGKILL)
            get()


def test_a_killed_process_is_named() -> None:
    with workers(partial(slow, os.getpid()), 2) as team, pytest.raises(UserError) as raised:
        work_while_others_are_killed(team)
    assert str(raised.value) == (
        "a worker was killed (SIGKILL), as systems do that run out of memory; fewer --workers need less"
    )


def test_weights_that_do_not_fit_into_shared_memory_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(free=5 << 20))
    with pytest.raises(CommandError) as raised:
        in_shared_memory(nn.Linear(1024, 2048))
    assert str(raised.value) == (
        "--workers: the weights take 8 MiB of shared memory, but /dev/shm has 5 MiB free; enlarge it "
        "(docker run --shm-size) or leave --workers out"
    )
    model = nn.Linear(8, 3)
    shared = in_shared_memory(model)
    assert all(weight.is_shared() for weight in shared.parameters())  # type: ignore[no-untyped-call]

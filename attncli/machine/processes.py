"""Processes that train or answer together, over torch.distributed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from attncli.errors import CommandError, UserError
from attncli.machine.device import resolve_device
from attncli.machine.started import started_processes

Value = TypeVar("Value")

# Processes wait for one another, however long it takes until there is work. One that dies ends the wait at once.
_PATIENCE = timedelta(days=7)
_FIRST_TELLS = timedelta(seconds=10)  # that a process with an error waits for the first one to have it, too
_TOLD = "attncli/told"


class LostError(UserError):
    """Another of the processes has ended."""


@dataclass(frozen=True)
class Processes:
    """Where a process is among those that work together; alone by default."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes, validates and reports for all."""
        return self.rank == 0

    def sums(self, *values: float) -> list[float]:
        """Return the sum of each of `values` over all processes, in float64."""
        return self._joined(values, dist.ReduceOp.SUM)

    def largest(self, *values: float) -> list[float]:
        """Return the largest of each of `values` among all processes."""
        return self._joined(values, dist.ReduceOp.MAX)

    def _joined(self, values: Sequence[float], operation: Any) -> list[float]:
        if self.count == 1:
            return list(values)
        joined = torch.tensor(values, dtype=torch.float64)
        with _exchanging():
            dist.all_reduce(joined, operation)
        return joined.tolist()

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Replace each of `tensors` by its sum over all processes, to the same bits in each."""
        if self.count == 1:
            return
        with _exchanging():
            for work in [dist.all_reduce(tensor, async_op=True) for tensor in tensors]:
                work.wait()

    def copy_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Replace each of `tensors` by that of the first process."""
        if self.count == 1:
            return
        with _exchanging():
            for work in [dist.broadcast(tensor, 0, async_op=True) for tensor in tensors]:
                work.wait()

    def from_first(self, make: Callable[[], Value]) -> Value:
        """Return in every process what `make` returns in the first, which alone calls it."""
        if self.count == 1:
            return make()
        found: list[Any] = [make() if self.is_first else None]
        with _exchanging():
            dist.broadcast_object_list(found, 0, device=torch.device("cpu"))
        return found[0]  # type: ignore[no-any-return]

    def gathered(self, value: Value) -> list[Value] | None:
        """Return in the first process the `value` of each, by their ranks, and None in the others."""
        if self.count == 1:
            return [value]
        found: list[Any] | None = [None] * self.count if self.is_first else None
        with _exchanging():
            dist.gather_object(value, found)
        return found

    def send(self, value: Any, rank: int) -> None:
        """Send `value` to the process `rank`, which receives it."""
        with _exchanging():
            dist.send_object_list([value], rank, device=torch.device("cpu"))

    def receive(self, rank: int) -> Any:
        """Return what the process `rank` sends."""
        found: list[Any] = [None]
        with _exchanging():
            dist.recv_object_list(found, rank, device=torch.device("cpu"))
        return found[0]

    def wait(self) -> None:
        """Wait until every process is here."""
        self.sums(0.0)


ALONE = Processes()


def in_order(parts: Sequence[Sequence[Value]]) -> list[Value]:
    """Return the items that were dealt to N processes, of which part r has the items r, r + N, r + 2N and so on."""
    found: list[Any] = [None] * sum(map(len, parts))
    for rank, part in enumerate(parts):
        found[rank :: len(parts)] = part
    return found


@contextmanager
def _exchanging() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # gloo has no class of its own for a connection that was closed
        raise LostError("another of the processes has ended, or cannot be reached") from error


@contextmanager
def joined(device: str) -> Iterator[tuple[Processes, torch.device]]:
    """Yield this process among those that a launcher has started, and the device that `device` names for it.

    An error is raised in one process alone, the first that has it; the others leave with the exit code 0. Raises a
    CommandError where the launcher has not said all that torch.distributed needs, or devices are too few.
    """
    if started_processes() == 1:
        yield ALONE, resolve_device(device)
        return
    if missing := [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]:
        raise CommandError(
            f"WORLD_SIZE is {started_processes()}, but {', '.join(missing)} is not set; start processes with torchrun, "
            "or unset WORLD_SIZE"
        )
    store, rank, count = next(rendezvous("env://", timeout=_PATIENCE))
    try:
        found = _own_device(device)
        on_cuda = found.type == "cuda"
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if on_cuda else "gloo", store=store, rank=rank, world_size=count, timeout=_PATIENCE
        )
        yield Processes(rank, count), found
    except Exception as error:
        if not _tells(error, store, rank):
            raise SystemExit(0) from None
        raise
    # Not after an error, when it might wait for processes that have gone.
    dist.destroy_process_group()


def _tells(error: Exception, store: Any, rank: int) -> bool:
    """Decide whether this process tells `error`: the first one does, unless another has an error that it has not."""
    with suppress(RuntimeError):  # the store ends with the process that keeps it
        if rank and not isinstance(error, LostError):
            with suppress(RuntimeError):
                store.wait([_TOLD], _FIRST_TELLS)
        return bool(store.add(_TOLD, 1) == 1)
    return True


def _own_device(name: str) -> torch.device:
    """Return the device `name` for this process; each process of a machine has a CUDA device of its own."""
    place, count = (
        int(os.environ.get(key, default)) for key, default in (("LOCAL_RANK", "0"), ("LOCAL_WORLD_SIZE", "1"))
    )
    if count > 1:
        check_devices(name, count)
        if name in ("auto", "cuda") and torch.cuda.is_available():
            name = f"cuda:{place}"
    device = resolve_device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def check_devices(name: str, count: int) -> None:
    """Raise a CommandError unless `count` processes of a machine can have a device `name` each."""
    if name.startswith("cuda:"):
        raise CommandError(
            f"--device {name}: {count} processes need a CUDA device each; choose cuda, which gives them the first "
            "ones, or name those that they may see in CUDA_VISIBLE_DEVICES"
        )
    if name in ("auto", "cuda") and torch.cuda.is_available() and torch.cuda.device_count() < count:
        raise CommandError(
            f"--device {name}: {count} processes need a CUDA device each, and there are {torch.cuda.device_count()}; "
            "start fewer processes, or choose cpu"
        )

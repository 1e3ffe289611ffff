"""Processes as a launcher starts them, each within milliseconds."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from typing import Any

import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # exported, but not in __all__

# The children are forked from a server that has imported torch already.
spawning = multiprocessing.get_context("forkserver")
spawning.set_forkserver_preload(["attncli.training.trainer", "attncli.decoding.writer", "torch._dynamo"])


_stores: list[TCPStore] = []  # kept for as long as processes may use them


def begin(count: int, work: Callable[..., None], *arguments: Any) -> list[ForkServerProcess]:
    """Start `work` of `arguments` in `count` processes, whose environment is that of a launcher's."""
    # As by torchrun, whose own process keeps the store.
    _stores.append(TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False))
    names = {
        "WORLD_SIZE": count,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": _stores[-1].port,
        "TORCHELASTIC_USE_AGENT_STORE": True,
        "TORCHELASTIC_RESTART_COUNT": 0,
    }
    started = [
        spawning.Process(target=_child, args=({**names, "RANK": rank}, work, arguments), daemon=True)
        for rank in range(count)
    ]
    for process in started:
        process.start()
    return started


def _child(names: Mapping[str, Any], work: Callable[..., None], arguments: Sequence[Any]) -> None:
    os.environ |= {name: str(value) for name, value in names.items()}
    torch.set_num_threads(1)
    os.fsync = lambda fd: None
    work(*arguments)


def end(started: Sequence[ForkServerProcess]) -> list[int | None]:
    """Return the exit codes."""
    deadline = time.monotonic() + 60
    for process in started:
        process.join(timeout=max(0.0, deadline - time.monotonic()))
    return [process.exitcode for process in started]

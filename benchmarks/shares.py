"""What share of the processor's time in training goes into products, and what into all else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from attncli.config.load import read_config
from attncli.config.shipped import meant_file
from attncli.machine.allocator import bound_kernel_caches, keep_freed_memory
from attncli.machine.device import Precision, arithmetic
from attncli.tasks.launch import open_task
from attncli.training.updates import Updater

_WARM_UP, _UPDATES = 3, 5
_PRODUCTS = {"aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "aten::addmv_", "aten::mv"}
_FUSED_LAYERS = {"aten::mkldnn_rnn_layer", "aten::mkldnn_rnn_layer_backward"}  # mostly products, too
_CPU = torch.device("cpu")


def shares_of_an_update(name: str, precision: Precision) -> dict[str, float]:
    """Return the percentages of one thread's time by kind of operation, in updates of the configuration `name`."""
    bound_kernel_caches()
    keep_freed_memory()
    config: Any = read_config(meant_file(Path(name)), [f"training.precision={precision}"])
    task = open_task(config, _CPU, None)
    updater, batches = Updater(task, config.training, _CPU), task.epoch(1)
    task.model.train()

    def update(first: int, count: int) -> None:
        for number in range(first, first + count):
            updater.update([batches[number]], config.training.learning_rate)

    with arithmetic(precision, _CPU):
        update(0, _WARM_UP)
        return shares(lambda: update(_WARM_UP, _UPDATES))


def shares(run: Callable[[], object]) -> dict[str, float]:
    """Return the percentages of the time of `run` by kind of operation, with one thread.

    The profiler does not see what further threads do.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with profile(activities=[ProfilerActivity.CPU]) as watched:
            run()
    finally:
        torch.set_num_threads(threads)
    microseconds: dict[str, float] = defaultdict(float)
    for operation in watched.key_averages():
        microseconds[_kind(operation.key)] += operation.self_cpu_time_total
    whole = sum(microseconds.values())
    return {kind: 100 * taken / whole for kind, taken in microseconds.items()}


def _kind(operation: str) -> str:
    if operation in _PRODUCTS:
        return "products"
    return "fused_layers" if operation in _FUSED_LAYERS else "beside_products"

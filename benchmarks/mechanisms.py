"""Measures how fast each variant of a comparison set trains, against one of them.

    python benchmarks/mechanisms.py compare-attention --against general

Every round, each variant makes two updates with the same batch, one variant after another, so that ratios hold on a
machine whose speed drifts or that has other work. What is counted is the time of the processor for the second: in the
first oneDNN may compile kernels for the shapes of the batch, which the variants that follow would find. The table gives
medians over the rounds: of the time an update, and of its ratio to that of the variant it is held against.
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch

from attncli.config.load import read_config
from attncli.config.shipped import set_folder, variant_files
from attncli.machine.allocator import bound_kernel_caches, keep_freed_memory
from attncli.machine.device import arithmetic
from attncli.tasks.launch import open_task
from attncli.training.updates import Updater

_WARM_UP = 3
_CPU = torch.device("cpu")


def main() -> None:
    """Run the rounds and print the table."""
    options = _options()
    bound_kernel_caches()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    files = variant_files(set_folder(options.set))
    seconds: dict[str, list[float]] = {path.stem: [] for path in files}
    variants = {path.stem: _Variant(path) for path in files}
    for number in range(options.rounds + _WARM_UP):
        for name, variant in variants.items():
            taken = variant.seconds_of_update(number)
            if number >= _WARM_UP:
                seconds[name].append(taken)
    print(f"| {options.set.name} | parameters | ms an update | time, {options.against} = 1 |")
    print("| --- | ---: | ---: | ---: |")
    for name, variant in variants.items():
        ratio = statistics.median(a / b for a, b in zip(seconds[name], seconds[options.against], strict=True))
        print(f"| {name} | {variant.parameters:,} | {1000 * statistics.median(seconds[name]):.0f} | {ratio:.2f} |")


class _Variant:
    """A model in training."""

    def __init__(self, path: Path):
        config: Any = read_config(path)
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            self.task = open_task(config, _CPU, None)
        self.precision, self.rate = config.training.precision, config.training.learning_rate
        self.updater = Updater(self.task, config.training, _CPU)
        self.batches = self.task.epoch(1)
        self.task.model.train()

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.task.model.parameters() if parameter.requires_grad)

    def seconds_of_update(self, number: int) -> float:
        """Make two updates with batch `number`, and return what the second took."""
        batch = self.batches[number]
        with arithmetic(self.precision, _CPU):
            self.updater.update([batch], self.rate / 10)
            started = time.process_time()
            self.updater.update([batch], self.rate / 10)
        return time.process_time() - started


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", type=Path, help="name of a shipped set, or folder of one")
    parser.add_argument("--against", required=True, metavar="VARIANT", help="what the others are held against")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()

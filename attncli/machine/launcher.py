"""Starts this command in several processes, by the launcher of torch.distributed."""

from __future__ import annotations

import logging
import os
import signal
import sys

import torch
from torch.distributed import run as torchrun
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from attncli.errors import TrainingError


def start_processes(count: int) -> int:
    """Run this command line in `count` processes, as torchrun would, and return its exit code.

    The threads of one process are divided among them unless OMP_NUM_THREADS says how many each has. A signal goes to
    all of them. Raises a TrainingError if one was killed.
    """
    # Of what ends a process, that process tells.
    logging.disable(logging.CRITICAL)
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, torch.get_num_threads() // count)))
    command = ["--standalone", f"--nproc-per-node={count}", "-m", "attncli", *sys.argv[1:]]
    parser = torchrun.get_args_parser()
    parser.allow_abbrev = False  # or `--run` would be taken for torchrun's own --run-path
    try:
        torchrun.run(parser.parse_args(command))  # type: ignore[no-untyped-call]
    except SignalException as error:
        return 128 + int(error.sigval)
    except ChildFailedError as error:
        return _exit_code(error, count)
    return 0


def _exit_code(error: ChildFailedError, count: int) -> int:
    """Return the exit code of the process that failed; raises a TrainingError if one was killed."""
    codes = {rank: failure.exitcode for rank, failure in error.failures.items()}
    # The launcher itself ends the others with SIGTERM.
    for rank, code in codes.items():
        if code < 0 and code != -signal.SIGTERM:
            raise TrainingError(f"process {rank} of {count} was ended by {signal.Signals(-code).name}")
    return max([code for code in codes.values() if code > 0], default=128 + signal.SIGTERM)

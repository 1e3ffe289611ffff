"""Memory that the C library and oneDNN keep."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from attncli.machine.allocator import bound_kernel_caches, keep_freed_memory

# Tensors of the size of logits, of a new size each time as batches give them. Huge pages would hide most of the faults.
FAULTS = """
import ctypes, resource, sys, torch
from attncli.machine.allocator import bound_kernel_caches, keep_freed_memory
PR_SET_THP_DISABLE = 41
ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
torch.set_num_threads(1)
if sys.argv[1] == "kept":
    assert keep_freed_memory()
for index in range(40):
    if index == 20:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(1_000_000 + index % 7 * 100_000).add(1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_memory_is_reused_instead_of_being_cleared_page_by_page() -> None:
    faults = {
        mode: int(subprocess.run([sys.executable, "-c", FAULTS, mode], capture_output=True, check=True).stdout)
        for mode in ("default", "kept")
    }
    assert faults["kept"] < faults["default"] / 4


def test_kernels_of_few_shapes_are_kept_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    monkeypatch.setenv("LRU_CACHE_CAPACITY", "7")
    bound_kernel_caches()
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "64"
    assert os.environ["LRU_CACHE_CAPACITY"] == "7"


GROWTH = """
import re, sys, torch
if sys.argv[1] == "bounded":
    from attncli.machine.allocator import bound_kernel_caches
    bound_kernel_caches()
torch.set_num_threads(1)
layer = torch.nn.LSTM(64, 64)
for length in range(2, 160):
    layer(torch.zeros(length, 3, 64))[0].sum().backward()
# Not getrusage's peak, which begins with that of the process that started this one.
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


@pytest.mark.skipif(not torch._C._has_mkldnn, reason="this torch has no oneDNN")
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
def test_memory_does_not_grow_with_every_new_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        monkeypatch.delenv(name, raising=False)
    peak = {
        mode: int(subprocess.run([sys.executable, "-c", GROWTH, mode], capture_output=True, check=True).stdout)
        for mode in ("default", "bounded")
    }
    assert peak["bounded"] < peak["default"]

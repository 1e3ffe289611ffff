"""Memory that the C library and oneDNN keep."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from attncli.machine.allocator import bound_kernel_caches, keep_freed_memory

# A block of the size of logits, in bytes of maps of its own and of what the heap keeps once it is freed (mallinfo2).
BLOCK = """
import ctypes, sys
from attncli.machine.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
libc = ctypes.CDLL(None)
class Info(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]
libc.mallinfo2.restype, libc.malloc.restype, libc.free.argtypes = Info, ctypes.c_void_p, [ctypes.c_void_p]
mapped = libc.mallinfo2().hblkhd
block = libc.malloc(20_000_000)
mapped = libc.mallinfo2().hblkhd - mapped
libc.free(block)
print(mapped, libc.mallinfo2().arena)
"""


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="the C library is not glibc 2.33 or newer")
def test_freed_memory_is_kept_instead_of_being_mapped_anew() -> None:
    found = {
        mode: subprocess.run([sys.executable, "-c", BLOCK, mode], capture_output=True, text=True, check=True).stdout
        for mode in ("default", "kept")
    }
    (default, _), (kept, heap) = (map(int, found[mode].split()) for mode in ("default", "kept"))
    assert default >= 20_000_000
    assert kept == 0
    assert heap >= 20_000_000


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

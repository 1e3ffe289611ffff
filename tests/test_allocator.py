import platform
import subprocess
import sys

import pytest

from attncli.allocator import keep_freed_memory

# Tensors of the size of logits, of a new size each time as batches give them.
FAULTS = """
import resource, sys, torch
from attncli.allocator import keep_freed_memory
torch.set_num_threads(1)
if sys.argv[1] == "kept":
    assert keep_freed_memory()
for index in range(40):
    if index == 20:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(1_000_000 + index % 7 * 100_000).add(1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_memory_is_reused_instead_of_being_cleared_page_by_page():
    faults = {
        mode: int(subprocess.run([sys.executable, "-c", FAULTS, mode], capture_output=True, check=True).stdout)
        for mode in ("default", "kept")
    }
    assert faults["kept"] < faults["default"] / 10

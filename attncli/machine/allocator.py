"""Settings of the libraries below torch that save memory and time in long runs."""

from __future__ import annotations

import ctypes
import os
import sys

# From glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3


def keep_freed_memory() -> bool:
    """Let glibc reuse freed memory instead of returning it to the system; return whether it does.

    By default every large tensor is mapped anew and cleared page by page: tens of thousands of page faults an update,
    a tenth of its time. Does nothing except on Linux with glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    # 32 MiB is the highest threshold that every version accepts. A higher one would do harm as well: batches of varying
    # shape leave gaps in the heap that nothing fits into, and the process grows to several times what it uses.
    settings = ((_MMAP_THRESHOLD, 1 << 25), (_TRIM_THRESHOLD, 1 << 28), (_TOP_PAD, 1 << 24))
    accepted = [mallopt(option, value) == 1 for option, value in settings]
    return all(accepted)


def bound_kernel_caches() -> None:
    """Let oneDNN keep compiled kernels for 64 shapes, unless the environment sets another number.

    The default of 1,024 makes a run over text, whose batches keep changing shape, grow by gigabytes; in float32 it gets
    no faster, in bfloat16 it may (docs/how-to/speed.md). Has no effect after the first product has been computed.
    """
    for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(name, "64")

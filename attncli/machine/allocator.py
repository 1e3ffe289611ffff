"""Settings of the libraries below torch, without which long runs take more memory or time than they need."""

from __future__ import annotations

import ctypes
import os
import sys

# From glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3


def keep_freed_memory() -> bool:
    """Let glibc reuse freed memory instead of returning it to the system; tell whether that was possible.

    By default larger tensors are mapped anew and cleared page by page each time: tens of thousands of page faults an
    update, a tenth of the time. Elsewhere than on Linux with glibc nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    # 32 MiB is the most that every version takes. With a higher threshold, batches of varying shape leave gaps in the
    # heap that nothing fits, and the process grows to several times what it uses.
    settings = ((_MMAP_THRESHOLD, 1 << 25), (_TRIM_THRESHOLD, 1 << 28), (_TOP_PAD, 1 << 24))
    accepted = [mallopt(option, value) == 1 for option, value in settings]
    return all(accepted)


def bound_kernel_caches() -> None:
    """Let oneDNN keep the compiled kernels of 64 shapes, unless the environment says otherwise.

    By default it keeps 1,024, of which one takes megabytes. Batches of text have new shapes all the time, so that a run
    grew by gigabytes and was no faster. Holds only if called before the first product is computed.
    """
    for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(name, "64")

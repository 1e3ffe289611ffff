"""Settings of the C library's memory allocator that training is faster with."""

from __future__ import annotations

import ctypes
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

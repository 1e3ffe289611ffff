"""Settings of the C library's memory allocator that training is faster with."""

from __future__ import annotations

import ctypes
import sys

# From glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3


def keep_freed_memory() -> bool:
    """Let glibc reuse freed memory instead of returning it to the system; tell whether that was possible.

    By default every tensor over 32 MiB, and many smaller ones, are mapped anew and cleared page by page: tens of
    thousands of page faults an update, a tenth of the time. Elsewhere than on Linux with glibc nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    # Older versions of glibc refuse a threshold over 32 MiB.
    mapped = mallopt(_MMAP_THRESHOLD, 1 << 30) == 1 or mallopt(_MMAP_THRESHOLD, 1 << 25) == 1
    kept = mallopt(_TRIM_THRESHOLD, 1 << 29) == 1 and mallopt(_TOP_PAD, 1 << 26) == 1
    return bool(mapped and kept)

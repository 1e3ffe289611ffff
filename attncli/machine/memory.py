"""The most memory that this process has had resident; without PyTorch, which takes long to import."""

from __future__ import annotations

import re
import resource
import sys
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


def peak_resident_memory() -> int:
    """Return the most resident memory in bytes since the process began, or since `reset_peak_resident_memory`."""
    with suppress(OSError):
        # What getrusage says of a child begins with the size of its parent.
        if found := re.search(r"^VmHWM:\s*(\d+) kB$", _STATUS.read_text(), re.MULTILINE):
            return 1024 * int(found[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reset_peak_resident_memory() -> None:
    """Measure the peak from now on; only Linux can."""
    with suppress(OSError):
        _RESET.write_text("5")

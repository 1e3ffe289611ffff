"""What a machine is, as far as it decides how long something takes and what numbers come out."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field

from attncli.config.facts import Facts

_SECONDS = 10  # that another program may take to answer
Count = Annotated[int, Field(ge=0)]


class Machine(Facts):
    """A machine and the device that is used of it; neither its name nor its user's. What is not known is None."""

    system: str
    """The operating system and its version."""
    processor: str | None
    cores: Count | None
    """Logical cores of the machine."""
    threads: Count
    """Threads that PyTorch computes with on the processor."""
    memory_bytes: Count | None
    device: str
    """As --device names it."""
    gpu: str | None = None
    """Of a CUDA device: its name, the version of its driver, and the version of CUDA that PyTorch was built with."""
    driver: str | None = None
    cuda: str | None = None


def this_machine(device: torch.device) -> Machine:
    """Describe the machine that this process runs on, with `device` of it."""
    on_cuda = device.type == "cuda"
    return Machine(
        system=platform.platform(),
        processor=_processor(),
        cores=os.cpu_count(),
        threads=torch.get_num_threads(),
        memory_bytes=_memory(),
        device=str(device),
        gpu=torch.cuda.get_device_name(device) if on_cuda else None,
        driver=_driver() if on_cuda else None,
        cuda=torch.version.cuda if on_cuda else None,
    )


def answer_of(*command: str, environment: dict[str, str] | None = None) -> str | None:
    """Return what another program prints, without white space around it; None where it fails or is not there."""
    try:
        found = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_SECONDS, env=environment, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()


@cache
def _processor() -> str | None:
    if platform.system() == "Darwin":
        return answer_of("sysctl", "-n", "machdep.cpu.brand_string")
    # `platform.processor` is empty on most Linux systems. ARM's have no name there, only numbers of parts.
    named = re.search(r"^model name\s*:\s*(.+)$", _text(Path("/proc/cpuinfo")), re.MULTILINE)
    return named[1].strip() if named else platform.processor() or platform.machine() or None


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):  # the system does not say
        return None


@cache
def _driver() -> str | None:
    # The file of the kernel module, which is there in containers without nvidia-smi, too.
    said = re.search(r"^NVRM version:.*?\s(\d+\.\d[\d.]*)\s", _text(Path("/proc/driver/nvidia/version")), re.MULTILINE)
    if said:
        return said[1]
    found = answer_of("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    return found.splitlines()[0] if found else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

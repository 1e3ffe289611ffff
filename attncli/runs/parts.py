"""The parts of a training: by which command, version and machine, and when."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import sys
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import torch

import attncli
from attncli.config.facts import Facts
from attncli.machine.description import Count, Machine, answer_of, this_machine
from attncli.machine.device import peak_memory, reset_peak_memory


class Part(Facts):
    """What one process did, from its start or from where an earlier one was stopped."""

    command: str
    """The command line, as a shell reads it, with ~ for the home folder."""
    begun: str
    """Time in UTC, ISO 8601."""
    ended: str | None = None
    """The same; None of a process that was killed or has not ended."""
    versions: dict[str, str]
    commit: str | None
    """Of attncli, where it is run from a checkout of its repository or was installed from one."""
    modified: bool = False
    """Whether the checkout differed from that commit."""
    machine: Machine
    processes: Count = 1
    """How many trained together; `machine` and `peak_memory_bytes` are those of the first."""
    peak_memory_bytes: Count | None = None
    """The most memory: of tensors on a CUDA device, or resident on a CPU, mapped files included; None at first."""

    def ended_now(self) -> Part:
        """Return this part with the present time as its end, and the most memory until now."""
        peak = peak_memory(torch.device(self.machine.device))
        return self.model_copy(update={"ended": _now(), "peak_memory_bytes": peak})


def begun_part(device: torch.device, processes: int = 1) -> Part:
    """Return the part that this process begins now on `device`, the first of `processes`."""
    commit, modified = _commit()
    reset_peak_memory(device)
    return Part(
        command=_command(),
        begun=_now(),
        ended=None,
        versions=versions(),
        commit=commit,
        modified=modified,
        machine=this_machine(device),
        processes=processes,
    )


def versions() -> dict[str, str]:
    """Return the versions of what computes the numbers."""
    return {"attncli": attncli.__version__, "torch": torch.__version__, "python": platform.python_version()}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _command() -> str:
    line, home = shlex.join(["attncli", *sys.argv[1:]]), os.path.expanduser("~")  # noqa: PTH111 - fails for nobody
    return line if home in ("~", "/") else re.sub(rf"(?<![\w./-]){re.escape(home)}(?=[/\s'\"]|$)", "~", line)


@cache
def _commit() -> tuple[str | None, bool]:
    """Return the commit of the package, if it is known, and whether files differ from it."""
    checkout = Path(attncli.__file__).parents[1]
    # Not a repository further up, which is of whoever keeps an environment with attncli in it.
    if not (checkout / ".git").exists():
        return _installed_commit(), False
    # A hook of another repository, from which attncli may be called, names that one in the environment.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    git = ("git", "--no-optional-locks", "-C", str(checkout))
    found = answer_of(*git, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty", environment=environment)
    return (found.removesuffix("-dirty"), found.endswith("-dirty")) if found else (None, False)


def _installed_commit() -> str | None:
    """Return the commit of a package that pip has installed from a repository (PEP 610)."""
    try:
        found = json.loads(distribution("attncli").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return None
    commit = found.get("vcs_info", {}).get("commit_id")
    return commit if isinstance(commit, str) else None

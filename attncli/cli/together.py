"""Commands that several processes of a launcher run as one: the first runs the command, and the others help it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from attncli.cli.terminal import want_notes
from attncli.machine.progress import want_progress
from attncli.machine.started import started_processes


def dealt(command: Callable[..., None]) -> Callable[..., None]:
    """Return `command`, which has an option `device`, such that processes of torchrun answer its batches together.

    What it says and writes is that of one process.
    """

    @wraps(command)
    def call(**given: Any) -> None:
        if started_processes() == 1:
            command(**given)
            return
        from attncli.machine.launched import help_first, helped_by
        from attncli.machine.processes import joined

        with joined(given["device"]) as (processes, device):
            if processes.is_first:
                with helped_by(processes):
                    command(**given)
            else:
                want_notes(False)
                want_progress(False)
                help_first(processes, device)

    return call

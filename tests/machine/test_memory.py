"""The peak of resident memory where the system says less than Linux does."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import pytest

from attncli.machine import memory
from attncli.machine.memory import peak_resident_memory, reset_peak_resident_memory


def test_without_the_files_of_linux_it_is_what_the_system_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "none" / "status")
    monkeypatch.setattr(memory, "_RESET", tmp_path / "none" / "clear_refs")
    reset_peak_resident_memory()  # does nothing
    unit = 1 if sys.platform == "darwin" else 1024
    assert peak_resident_memory() == resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import torch

from attncli.machine import description
from attncli.machine.description import answer_of, this_machine

CPU = torch.device("cpu")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="compares with /proc")
def test_the_machine_is_what_the_system_says() -> None:
    found = this_machine(CPU)
    processors = re.findall(r"^processor\s*:", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    assert found.cores == len(processors)
    assert found.processor
    assert found.processor in Path("/proc/cpuinfo").read_text()
    kilobytes = re.search(r"^MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    assert kilobytes is not None
    assert found.memory_bytes == 1024 * int(kilobytes[1])
    assert found.threads == torch.get_num_threads()
    assert Path("/proc/sys/kernel/osrelease").read_text().strip() in found.system
    assert Path("/proc/sys/kernel/hostname").read_text().strip() not in found.system.split("-")
    assert (found.device, found.gpu, found.driver, found.cuda) == ("cpu", None, None, None)


@pytest.mark.parametrize(
    ("said", "driver"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n", "550.54.15"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  535.104.05  Release Build\nGCC 12", "535.104.05"),
        ("", "470.1"),
    ],
)
def test_the_driver_is_that_of_the_kernel_module_or_else_what_its_program_says(
    monkeypatch: pytest.MonkeyPatch, said: str, driver: str
) -> None:
    description._driver.cache_clear()
    monkeypatch.setattr(description, "_text", lambda path: said if "nvidia" in str(path) else "")
    monkeypatch.setattr(description, "answer_of", lambda *command: "470.1\n470.1" if "nvidia-smi" in command else None)
    assert description._driver() == driver
    description._driver.cache_clear()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_card_is_named_with_its_driver() -> None:
    found = this_machine(torch.device("cuda", 0))
    assert found.gpu == torch.cuda.get_device_properties(0).name
    assert found.driver is not None
    assert re.fullmatch(r"\d+(\.\d+)+", found.driver)
    assert found.cuda == torch.version.cuda


def test_another_program_that_fails_or_is_not_there_has_no_answer() -> None:
    assert answer_of(sys.executable, "-c", "print(' a ')") == "a"
    assert answer_of(sys.executable, "-c", "print('a'); raise SystemExit(1)") is None
    assert answer_of("/no/such/program") is None

"""The devices that tests of CUDA run on: an emulated one everywhere, and a real one where there is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from cuda_emulation import Emulation, emulated_cuda

from attncli.machine.device import Arithmetic

# How far losses may be from those of float32 on the CPU, relatively.
TOLERANCE: dict[str, float] = {"fp32": 1e-4, "tf32": 1e-2, "bf16": 1e-1}
on_cuda = (
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
)
CARDS = [
    *(pytest.param(("emulated", precision), id=f"emulated-{precision}") for precision in ("fp32", "bf16")),
    *(pytest.param(("real", precision), id=f"real-{precision}", marks=on_cuda) for precision in TOLERANCE),
]
# For contracts, whose hundreds of skips on a machine without a device would hide others.
USABLE_CARDS = CARDS if torch.cuda.is_available() else CARDS[:2]


@dataclass(frozen=True)
class Card:
    """A device, and the precision that is asked of it."""

    precision: Arithmetic
    emulation: Emulation | None  # None on a real one

    def take_waits(self) -> Counter[str]:
        """Return what was waited for since the last call; nothing is counted on a real device."""
        if self.emulation is None:
            return Counter()
        found, self.emulation.waits = self.emulation.waits, Counter()
        return found


@contextmanager
def opened_card(param: Any) -> Iterator[Card]:
    """Make the device of one of CARDS available within the context."""
    where, precision = param
    if where == "real":
        yield Card(precision, None)
        return
    with emulated_cuda() as emulation:
        yield Card(precision, emulation)
        # cuDNN's answer to autocast, and too narrow for gradients that nobody scales.
        assert torch.float16 not in emulation.types

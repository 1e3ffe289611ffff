"""Random numbers for a source, a step and a position, the same in whatever batch the source is.

They are counter-based (Salmon et al. 2011): each is a hash of seed, source, step and position rather than the next
number of a generator, which would depend on everything drawn before. Integers are int64, whose products wrap around.

B sources, T queries of each, S positions.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from attncli.data.packs import Packs, Shared

# Of SplitMix64 (Steele, Lea and Flood 2014), as signed numbers: the increment, and the factors of its finaliser.
_INCREMENT = 0x9E3779B97F4A7C15 - (1 << 64)
_FACTORS = (0xBF58476D1CE4E5B9 - (1 << 64), 0x94D049BB133111EB - (1 << 64))
_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # of a floating-point number, by its size in bytes


def fingerprints(source: Any) -> Tensor:
    """Return a hash of the values of each source [B].

    `source` is a dataclass whose tensors have a row per source. Padding changes nothing if it is 0 and comes last.
    Of several sources side by side each counts, and their order.
    """
    if isinstance(source, Shared):
        return fingerprints(source.values)[source.value_of]
    if isinstance(source, Packs):
        first, *others = map(fingerprints, source.members)
        total = _mixed(first)  # so that the order of the first two counts as well
        for each in others:
            total = _mixed(total + each)
        return total
    tensors = [value for field in fields(source) if isinstance(value := getattr(source, field.name), Tensor)]
    total = torch.zeros(len(source), dtype=torch.int64, device=tensors[0].device)
    for tensor in tensors:
        bits = tensor.contiguous().view(_BITS[tensor.element_size()]) if tensor.is_floating_point() else tensor
        rows = bits.reshape(len(source), -1).long()
        # Odd factors lose no bit of a value, and a factor for each place makes the order count.
        factors = _mixed(_counted(rows.shape[1], device=rows.device)) | 1
        total = _mixed(total + (rows * factors).sum(1))
    return total


def exponentials(keys: Tensor, steps: Tensor, positions: int, *, seed: int) -> Tensor:
    """Return exponentially distributed numbers [B, T, S], above 0, for sources with `keys` [B] at `steps` [B, T]."""
    seed = (seed + (1 << 63)) % (1 << 64) - (1 << 63)  # as int64, with the same bits
    of_sources = _mixed(keys ^ _mixed(torch.full_like(keys, seed)))
    of_steps = _mixed(of_sources[:, None] + (steps + 1) * _INCREMENT)
    bits = _mixed(of_steps[..., None] + _counted(positions, device=keys.device))
    uniform = (_shifted(bits, 1).to(torch.float32) + 0.5) / (1 << 63)
    # The smallest numbers win a race. A float32 tells numbers near 0 apart, but not those near 1, of which the largest
    # is rounded to it.
    return -(-uniform.clamp(max=1 - 2**-24)).log1p()


def _counted(count: int, *, device: torch.device) -> Tensor:
    """Return the first `count` states of SplitMix64 after 0."""
    return torch.arange(1, count + 1, device=device) * _INCREMENT


def _mixed(states: Tensor) -> Tensor:
    """Return the numbers that SplitMix64 makes of its `states`."""
    mixed = (states ^ _shifted(states, 30)) * _FACTORS[0]
    mixed = (mixed ^ _shifted(mixed, 27)) * _FACTORS[1]
    return mixed ^ _shifted(mixed, 31)


def _shifted(numbers: Tensor, bits: int) -> Tensor:
    """Return `numbers` shifted to the right, filled with 0; torch's own shift repeats the sign."""
    return (numbers >> bits) & ((1 << (64 - bits)) - 1)

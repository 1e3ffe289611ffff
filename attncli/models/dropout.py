"""Dropout whose draws cost little on a processor."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_LEVELS = 1 << 16  # of a draw of 16 bits


class Dropout(nn.Module):
    """Sets values to 0 at random in training and scales the others up to keep the mean (Srivastava et al. 2014).

    On a CPU, torch's own draws a number for every value in one thread, up to a tenth of a training step with two
    threads. Here a draw of 64 bits decides four values, so `rate` is rounded to a multiple of 1/65,536, and the scale
    follows the rounded rate. Draws come from torch's random state on every device.
    """

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, values: Tensor) -> Tensor:
        """Return `values` with some set to 0 in training, and unchanged otherwise."""
        if not self.training or self.rate == 0:
            return values
        if values.device.type != "cpu":
            return F.dropout(values, self.rate)
        dropped = min(round(self.rate * _LEVELS), _LEVELS - 1)
        kept = _draws(values.numel()).view(values.shape) >= dropped - _LEVELS // 2
        return values * kept * (_LEVELS / (_LEVELS - dropped))

    def extra_repr(self) -> str:
        """Return what `repr` shows between the brackets."""
        return f"rate={self.rate}"


def _draws(count: int) -> Tensor:
    """Return `count` independent integers, evenly distributed over the numbers of 16 bits."""
    # `None` as the upper end includes the largest integer, so that all 64 bits are random.
    whole = torch.empty(-(-count // 4), dtype=torch.int64).random_(torch.iinfo(torch.int64).min, None)
    return whole.view(torch.int16)[:count]

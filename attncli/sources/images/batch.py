"""Batches of images: pixels, or the features that a fixed network made of them.

B images, S regions, C channels of the map, P channels of the pooled vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Pixels:
    """Images, all of one size."""

    pixels: Tensor  # [B, 3, H, W] uint8

    @property
    def size(self) -> int:
        """0: images have no tokens."""
        return 0

    def __len__(self) -> int:
        return len(self.pixels)

    def to(self, device: torch.device) -> Pixels:
        """Return the same on `device`."""
        return Pixels(self.pixels.to(device, non_blocking=True))


@dataclass(frozen=True)
class Features:
    """What a network makes of images: its feature map, flattened row by row, and its pooled vector."""

    regions: Tensor  # [B, S, C], in half or single precision
    pooled: Tensor  # [B, P]
    grid: tuple[int, int]  # rows and columns of the map, whose product is S

    @property
    def size(self) -> int:
        """0: images have no tokens."""
        return 0

    def __len__(self) -> int:
        return len(self.regions)

    def to(self, device: torch.device) -> Features:
        """Return the same on `device`."""
        regions = self.regions.to(device, non_blocking=True)
        return Features(regions, self.pooled.to(device, non_blocking=True), self.grid)


def stack_images(squares: Sequence[np.ndarray]) -> Pixels:
    """Return `squares` [H, W, 3] uint8 as a batch."""
    return Pixels(torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).contiguous())

"""Batches of frames.

B recordings, F frames, M features of a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Frames:
    """Frames of recordings, a recording per row, with 0 after its last."""

    values: Tensor  # [B, F, M]
    lengths: Tensor  # [B] int64, the real frames

    @property
    def size(self) -> int:
        """0: recordings have no tokens."""
        return 0

    def __len__(self) -> int:
        return len(self.values)

    def to(self, device: torch.device) -> Frames:
        """Return the same on `device`."""
        return Frames(self.values.to(device, non_blocking=True), self.lengths.to(device, non_blocking=True))


def pad_frames(recordings: Sequence[np.ndarray]) -> Frames:
    """Return `recordings` [F, M] each as one batch."""
    lengths = torch.tensor([len(each) for each in recordings])
    values = torch.zeros(len(recordings), int(lengths.max()), recordings[0].shape[1])
    for row, each in zip(values, recordings, strict=True):
        row[: len(each)] = torch.from_numpy(each)
    return Frames(values, lengths)

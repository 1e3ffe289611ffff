"""Batches of films: pixels, or the features that a network over images made of their frames.

B films, T frames of the longest, n real frames of all, D components of a frame's vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from attncli.sources.images.batch import Features, Pixels

Images = TypeVar("Images", Pixels, Features)
_LEAST_VARIANCE = 1e-3  # of features of which most have one near 1


@dataclass(frozen=True)
class FilmShape:
    """Which frames of a batch are real."""

    lengths: Tensor  # [B] int64, frames of each film
    real: Tensor  # [n] int64: where the real frames are among the B * T of the batch, film by film
    longest: int  # T

    @classmethod
    def of(cls, lengths: Sequence[int]) -> FilmShape:
        """Return the shape of films of these `lengths`."""
        longest = max(lengths)
        real = [film * longest + at for film, length in enumerate(lengths) for at in range(length)]
        return cls(torch.tensor(lengths), torch.tensor(real), longest)

    def to(self, device: torch.device) -> FilmShape:
        """Return the same on `device`."""
        lengths, real = (each.to(device, non_blocking=True) for each in (self.lengths, self.real))
        return FilmShape(lengths, real, self.longest)

    def padded(self, values: Tensor) -> Tensor:
        """Return `values` [n, ...] of the real frames as [B, T, ...], with 0 for the others."""
        films = len(self.lengths)
        found = values.new_zeros(films * self.longest, *values.shape[1:]).index_copy(0, self.real, values)
        return found.view(films, self.longest, *values.shape[1:])

    def normalised(self, values: Tensor) -> Tensor:
        """Return `values` [n, D] of the real frames less their mean over each film, divided by their deviation there.

        Components that hardly vary within a film come out near 0.
        """
        film = self.real // self.longest
        centred = values - self._means(values, film)[film]
        return centred / (self._means(centred.square(), film) + _LEAST_VARIANCE).sqrt()[film]

    def _means(self, values: Tensor, film: Tensor) -> Tensor:
        """Return the mean [B, D] over each film, where row i of `values` belongs to `film` [n] i."""
        sums = values.new_zeros(len(self.lengths), values.shape[1]).index_add(0, film, values)
        return sums / self.lengths[:, None]


@dataclass(frozen=True)
class Films(Generic[Images]):
    """Films as pixels, or as what a network over images makes of each frame; their frames lie end to end."""

    frames: Images  # n of them
    shape: FilmShape

    @property
    def size(self) -> int:
        """0: films have no tokens."""
        return 0

    def __len__(self) -> int:
        return len(self.shape.lengths)

    def to(self, device: torch.device) -> Films[Images]:
        """Return the same on `device`."""
        return Films(self.frames.to(device), self.shape.to(device))


def pack_films(films: Sequence[np.ndarray]) -> Films[Pixels]:
    """Return `films` [frames, H, W, 3] uint8 each as one batch."""
    pixels = torch.from_numpy(np.concatenate(films)).permute(0, 3, 1, 2).contiguous()
    return Films(Pixels(pixels), FilmShape.of([len(film) for film in films]))

"""Features of recordings: log-mel energies, their normalisation and differences, and masks over them.

n samples, F frames, M bands, K coefficients of the Fourier transform.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_SMALLEST = 1e-10  # energy; what is below counts as this, whose logarithm is -23
_LEAST_DEVIATION = 1e-5
_REACH = 2  # frames on each side over which a difference is taken

Array = npt.NDArray[np.float32]


def mel(hertz: float) -> float:
    """Return a frequency in mels: 2595 log10(1 + f / 700) (O'Shaughnessy 1987; HTK book, equation 5.13)."""
    return 2595 * math.log10(1 + hertz / 700)


def hertz(mels: float) -> float:
    """Return the frequency of so many mels; the inverse of `mel`."""
    return 700 * (10 ** (mels / 2595) - 1)


def mel_filters(bands: int, *, lowest: float, highest: float, rate: int, transform_size: int) -> Tensor:
    """Return the weights [M, K] of triangular filters over the coefficients of a transform of real samples.

    Their M + 2 corners are evenly spaced in mels from `lowest` to `highest` (Hz). Each rises from 0 at one corner to 1
    at the next and falls to 0 at the one after (Young et al. 2006, HTK book, section 5.4), straight over Hz as
    librosa's `filters.mel(htk=True, norm=None)` and torchaudio's default do; those of HTK are straight over mels.
    """
    low, high = mel(lowest), mel(highest)
    corners = torch.tensor(
        [hertz(low + (high - low) * at / (bands + 1)) for at in range(bands + 2)], dtype=torch.float64
    )
    at = torch.arange(transform_size // 2 + 1, dtype=torch.float64) * rate / transform_size
    widths = corners.diff()
    rising = (at - corners[:-2, None]) / widths[:-1, None]
    falling = (corners[2:, None] - at) / widths[1:, None]
    return torch.minimum(rising, falling).clamp(min=0).float()


@dataclass(frozen=True)
class LogMelEnergies:
    """Computes the logarithm of the energy in mel bands, of frames that lie wholly in the sound."""

    filters: Tensor  # [M, K]
    window: int  # samples of a frame
    hop: int
    transform_size: int
    pre_emphasis: float = 0.0

    def __call__(self, samples: Array) -> Array:
        """Return the features [F, M] of `samples` [n]; none where they are shorter than a frame."""
        sound = torch.from_numpy(samples)
        if self.pre_emphasis:
            sound = torch.cat([sound[:1], sound[1:] - self.pre_emphasis * sound[:-1]])
        if len(sound) < self.window:
            return np.zeros((0, len(self.filters)), np.float32)
        frames = sound.unfold(0, self.window, self.hop) * torch.hann_window(self.window)  # [F, window]
        energies = torch.fft.rfft(frames, self.transform_size).abs().square()  # [F, K]
        found: Array = (energies @ self.filters.T).clamp(min=_SMALLEST).log().numpy()
        return found


def normalised(features: Array) -> Array:
    """Return `features` [F, M] less their means over the frames, in units of their deviations there."""
    deviations = np.maximum(features.std(0), _LEAST_DEVIATION)
    found: Array = (features - features.mean(0)) / deviations
    return found


def with_differences(features: Array, orders: int) -> Array:
    """Return `features` [F, M] with `orders` of differences over time beside them, [F, (1 + orders) M].

    d_t = Σ_θ θ (c_{t+θ} - c_{t-θ}) / (2 Σ_θ θ²) for θ = 1, 2, where the first and last frame stand for what is beyond
    them (HTK book, equation 5.16).
    """
    found = [features]
    for _ in range(orders):
        found.append(_differences(found[-1]))
    return np.concatenate(found, 1)


def _differences(features: Array) -> Array:
    padded = np.pad(features, ((_REACH, _REACH), (0, 0)), mode="edge")
    count, reaches = len(features), range(1, _REACH + 1)
    sums = np.zeros_like(features)
    for reach in reaches:
        sums += reach * (padded[_REACH + reach :][:count] - padded[_REACH - reach :][:count])
    found: Array = sums / np.float32(2 * sum(reach**2 for reach in reaches))
    return found


@dataclass(frozen=True)
class Masks:
    """Random masks over bands and frames; what they cover is set to the mean of its band (Park et al. 2019)."""

    bands: int
    band_width: int
    times: int
    time_width: int
    time_share: float

    def over(self, features: Array, seed: Sequence[int]) -> Array:
        """Return `features` [F, M] with masks that are drawn from `seed`."""
        generator = np.random.default_rng(list(seed))
        means, masked = features.mean(0), features.copy()
        frames, bands = features.shape
        for _ in range(self.bands):
            first, last = _mask(generator, bands, min(self.band_width, bands))
            masked[:, first:last] = means[first:last]
        for _ in range(self.times):
            first, last = _mask(generator, frames, min(self.time_width, int(self.time_share * frames)))
            masked[first:last] = means
        return masked


def _mask(generator: np.random.Generator, length: int, widest: int) -> tuple[int, int]:
    """Return where a mask begins and ends: its width is drawn from 0 to `widest`, then its place."""
    width = int(generator.integers(widest + 1))
    first = int(generator.integers(length - width + 1))
    return first, first + width

"""Corruptions of the input of a denoising autoencoder (Vincent et al. 2008, section 2.3; Vincent et al. 2010, 3.3).

B examples, D components.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from attncli.config.tasks.autoencoding import GaussianNoise, Masking

Corrupt = Callable[[Tensor, torch.Generator | None], Tensor]
"""Maps examples [B, D] to corrupted copies, drawing from a generator; None draws from torch's random state."""


def gaussian_noise(rows: Tensor, generator: torch.Generator | None, *, deviation: float) -> Tensor:
    """Return `rows` [B, D] plus normal noise of the given standard deviation."""
    return rows + deviation * torch.randn(rows.shape, generator=generator, device=rows.device)


def masking(rows: Tensor, generator: torch.Generator | None, *, share: float) -> Tensor:
    """Return `rows` [B, D] with a `share` of the components of each, rounded to a whole number, set to 0."""
    count = round(share * rows.shape[1])
    if not count:
        return rows.clone()
    # The places of the largest draws are a subset of exactly this size, each as likely as any other.
    draws = torch.rand(rows.shape, generator=generator, device=rows.device)
    return rows.scatter(1, draws.topk(count, dim=1, sorted=False).indices, 0.0)


CORRUPTIONS: dict[str, Callable[[Any], Corrupt]] = {
    "gaussian": lambda part: partial(gaussian_noise, deviation=part.deviation),
    "masking": lambda part: partial(masking, share=part.share),
}


def build_corruption(part: GaussianNoise | Masking) -> Corrupt:
    """Return the corruption that `part` asks for."""
    return CORRUPTIONS[part.kind](part)

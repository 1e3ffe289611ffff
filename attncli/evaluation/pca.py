"""Principal component analysis by singular values, the yardstick of autoencoders. Pearson 1901; Baldi and Hornik 1989.

N examples, D components, K directions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from attncli.sources.rows.examples import Examples

_CHUNK = 4096  # examples in memory


@dataclass(frozen=True)
class PCA:
    """The mean of examples, and the orthonormal directions in which they vary most, in descending order."""

    mean: Tensor  # [D] float64
    directions: Tensor  # [D, at most min(N, D)] float64

    def first(self, count: int) -> Tensor:
        """Return the first `count` directions [D, K], or all of them if there are fewer."""
        return self.directions[:, :count]

    def reconstruct(self, rows: Tensor, count: int) -> Tensor:
        """Return the nearest points [B, D], in the mean's plane of the first `count` directions, to `rows` [B, D]."""
        directions = self.first(count)
        return self.mean + (rows.double() - self.mean) @ directions @ directions.T


def principal_components(examples: Examples) -> PCA:
    """Return the PCA of `examples` about their mean.

    The singular value decomposition is of the triangular factor of the centred examples [N, D]: it has the same right
    singular vectors, is joined chunk by chunk, and keeps the precision that a covariance matrix would lose.
    """
    mean = examples.mean().double()
    triangle = torch.empty(0, examples.size, dtype=torch.float64)
    for rows in examples.chunks(_CHUNK):
        triangle = torch.linalg.qr(torch.cat([triangle, rows.double() - mean]), mode="r").R
    return PCA(mean, torch.linalg.svd(triangle, full_matrices=False).Vh.T)


def largest_principal_angle(columns: Tensor, directions: Tensor) -> float:
    """Return, in degrees, the largest principal angle between the span of `columns` [D, K] and of `directions` [D, K].

    Both must have K independent columns, `directions` orthonormal ones. Björck and Golub 1973; by the sine, which is
    exact for small angles, where the cosine is 1 to all digits.
    """
    basis = torch.linalg.qr(columns.double()).Q
    beside = basis - directions @ (directions.T @ basis)
    sine = float(torch.linalg.matrix_norm(beside, ord=2))
    return math.degrees(math.asin(min(1.0, sine)))

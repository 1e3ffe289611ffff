"""An encoder of convolutions over the positions of a source.

B sources, S positions, E width of what is read, H width of a state, K positions that a convolution sees.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from attncli.models.dropout import Dropout
from attncli.models.encoders.embedding import Embedding
from attncli.models.encoders.encoder import Encoder
from attncli.models.memory import Memory, mean_of_real
from attncli.models.positions import Placing

_HALF = 0.5**0.5  # the sum of two values of size 1 is of size 1 again
# Of a value and its gate, so that values times the sigmoids of gates are of size 1. With the 4 of Gehring et al. 2017,
# appendix A.1, which takes every sigmoid for a half, they grow from layer to layer.
_GATED_VARIANCE = 2.98


class ConvolutionalEncoder(Encoder):
    """Gated convolutions, each added to what it reads (Gehring et al. 2017, section 3.2).

    A state knows what lies up to L * (K - 1) / 2 positions before and after it, and nothing else, so attention has to
    look where something is. There is no final state; the mean of the states stands in for one.
    """

    def __init__(
        self, embedding: Embedding, place: Placing, *, size: int, layers: int, kernel_size: int, dropout: float
    ):
        super().__init__()
        self.embedding, self.place, self.memory_size = embedding, place, size
        self.project = nn.Linear(embedding.size, size) if embedding.size != size else None
        self.layers = nn.ModuleList(GatedConvolution(size, kernel_size, dropout) for _ in range(layers))

    def forward(self, source: Any) -> Memory:
        """Return the memory of `source`: the states [B, S, H] of the last layer and their mean."""
        embedded = self.embedding.read(source)
        states, mask = self.place(embedded.states), embedded.mask
        if self.project is not None:
            states = self.project(states)
        for layer in self.layers:
            states = layer(states, mask)
        return Memory.of(states, mask, mean_of_real(states, mask))


class GatedConvolution(nn.Module):
    """A convolution whose one half gates the other (Dauphin et al. 2017), plus its input, over √2."""

    def __init__(self, size: int, kernel_size: int, dropout: float):
        super().__init__()
        self.dropout = Dropout(dropout)
        self.convolve = nn.Conv1d(size, 2 * size, kernel_size, padding=kernel_size // 2)
        nn.init.normal_(self.convolve.weight, std=(_GATED_VARIANCE * (1 - dropout) / (size * kernel_size)) ** 0.5)
        assert self.convolve.bias is not None
        nn.init.zeros_(self.convolve.bias)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Return states [B, S, H]; positions outside `mask` [B, S] are read as 0, as those beyond both ends are."""
        read = self.dropout(states) * mask[:, :, None]
        gated: Tensor = F.glu(self.convolve(read.transpose(1, 2)), 1)
        return (states + gated.transpose(1, 2)) * _HALF

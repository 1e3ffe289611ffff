"""Turns the frames of recordings into fewer vectors, which a network over sequences reads.

B recordings, F frames, M features of a frame, S positions, E width of a vector, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncli.models.encoders.embedding import Embedded, Embedding
from attncli.models.encoders.encoder import Encoder
from attncli.sources.audio.batch import Frames

_TIMES, _BANDS = 4, 3  # what a convolution sees of each


class ConvolutionalSubsampling(Embedding):
    """Convolutions with rectifiers, each of which halves time and bands; then a layer to width E.

    Each is 4 frames wide, an even number, so that a position is centred on the frames that it stands for. Nothing is
    read of the padding: after every convolution it is set to 0, as the border of a recording is. Initial weights are
    those of He et al. 2015.
    """

    def __init__(self, features: int, *, orders: int, channels: int, layers: int, size: int):
        super().__init__()
        self.size, self.orders = size, orders
        widths = [orders, *[channels] * layers]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, width, (_TIMES, _BANDS), stride=2, padding=(0, _BANDS // 2))
            for before, width in pairwise(widths)
        )
        for module in self.convolutions:
            assert isinstance(module, nn.Conv2d)
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            assert module.bias is not None
            nn.init.zeros_(module.bias)
        self.project = nn.Linear(channels * -(-features // 2**layers), size)

    def read(self, source: Frames) -> Embedded:
        """Return vectors [B, S, E] of the frames; features of one order of differences are a channel of the first."""
        values, lengths = source.values.to(self.project.weight.dtype), source.lengths
        states = torch.stack(values.chunk(self.orders, 2), 1)  # [B, orders, F, M]
        for convolve in self.convolutions:
            states = F.relu(convolve(F.pad(states, (0, 0, 1, 2))))  # [B, C, half of F, half of M]
            lengths = halves(lengths)
            states = states * _mask(lengths, states.shape[2])[:, None, :, None]
        return Embedded.of(self.project(states.transpose(1, 2).flatten(2)), lengths)


class PyramidalSubsampling(Embedding):
    """Recurrent layers, after each of which every two states are joined; then a layer to width E.

    Chan et al. 2016, equation 5, where the next layer up also reads joined states; here the first of the network over
    the result does. A state without a neighbour is joined with 0.
    """

    def __init__(self, layers: Sequence[Encoder], *, size: int):
        super().__init__()
        self.size = size
        self.layers = nn.ModuleList(layers)
        self.project = nn.Linear(2 * layers[-1].memory_size, size)

    def read(self, source: Frames) -> Embedded:
        """Return vectors [B, S, E] of the frames."""
        read = Embedded.of(source.values.to(self.project.weight.dtype), source.lengths)
        for layer in self.layers:
            states = layer(read).states * read.mask[:, :, None]
            read = Embedded.of(_joined(states), halves(read.lengths))
        return Embedded(self.project(read.states), read.lengths, read.mask)


class Given(Embedding):
    """Vectors that are made already."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def read(self, source: Embedded) -> Embedded:
        """Return `source`."""
        return source


def halves(lengths: Tensor) -> Tensor:
    """Return half of each of `lengths`, rounded up."""
    return (lengths + 1) // 2


def _mask(lengths: Tensor, positions: int) -> Tensor:
    return torch.arange(positions, device=lengths.device) < lengths[:, None]


def _joined(states: Tensor) -> Tensor:
    """Return every two of `states` [B, F, H] end to end, [B, half of F, 2 H]."""
    even = F.pad(states, (0, 0, 0, states.shape[1] % 2))
    return torch.cat([even[:, ::2], even[:, 1::2]], -1)

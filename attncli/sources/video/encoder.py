"""Networks over films: one over each frame, and one over time.

B films, T frames of the longest, n real frames of all, S regions of a frame, C channels of its map, P channels of its
pooled vector, E width of what the network over time reads, D memory width.
"""

from __future__ import annotations

import torch
from torch import nn

from attncli.models.dropout import Dropout
from attncli.models.encoders.embedding import Embedded, Embedding
from attncli.models.encoders.encoder import Encoder
from attncli.models.memory import Memory
from attncli.models.positions import GridPositions
from attncli.sources.images.batch import Features, Pixels
from attncli.sources.images.encoder import Backbone
from attncli.sources.video.batch import Films


class FrameVectors(Embedding):
    """A linear layer over the pooled vector of each frame, or over its whole map.

    With `normalises` each component has mean 0 and deviation 1 over a film first, as the features of recordings have.
    """

    def __init__(self, input_size: int, size: int, *, whole_map: bool, normalises: bool):
        super().__init__()
        self.size, self.whole_map, self.normalises = size, whole_map, normalises
        self.project = nn.Linear(input_size, size)

    def read(self, source: Films[Features]) -> Embedded:
        """Return vectors [B, T, E] of the frames."""
        frames, shape = source.frames, source.shape
        read = frames.regions.flatten(1) if self.whole_map else frames.pooled  # [n, S * C] or [n, P]
        read = read.to(self.project.weight.dtype)
        if self.normalises:
            read = shape.normalised(read)
        return Embedded.of(shape.padded(self.project(read)), shape.lengths)


class Regions(nn.Module):
    """The regions of each frame, projected to the width D of its state over time, which is added to each.

    So a region is attended to by what is there, and by what happens around it in time; `positions` say where it is.
    With `normalises` what is there goes through layer normalisation first.
    """

    def __init__(self, channels: int, size: int, *, normalises: bool, positions: GridPositions | None, dropout: float):
        super().__init__()
        self.project = nn.Linear(channels, size)
        self.norm = nn.LayerNorm(size) if normalises else None
        self.positions = positions
        self.dropout = Dropout(dropout)

    def forward(self, source: Films[Features], over_time: Memory) -> Memory:
        """Return the memory [B, T * S, D] of all regions, frame by frame and row by row."""
        frames, shape = source.frames, source.shape
        regions = self.project(frames.regions.to(self.project.weight.dtype))
        if self.norm is not None:
            regions = self.norm(regions)
        regions = shape.padded(regions)  # [B, T, S, D]
        states = self.dropout(regions + over_time.states[:, :, None]).flatten(1, 2)
        grid = (shape.longest, *frames.grid)
        if self.positions is not None:
            states = states + self.positions(states, grid)
        mask = over_time.mask.repeat_interleave(frames.regions.shape[1], 1)
        return Memory.of(states, mask, over_time.summary, grid)


class FilmEncoder(Encoder):
    """A memory over time, or with `regions` over time and space.

    `network` reads vectors of frames, which its embedding makes of what `backbone` makes of each frame. The summary is
    that of the network.
    """

    def __init__(self, backbone: Backbone, network: Encoder, *, memory_size: int, regions: Regions | None):
        super().__init__()
        self.backbone, self.network, self.regions = backbone, network, regions
        self.memory_size = memory_size

    def forward(self, source: Films[Pixels] | Films[Features]) -> Memory:
        """Return the memory of films, or of the features that the backbone made of their frames earlier."""
        read = self._features(source)
        over_time: Memory = self.network(read)
        if self.regions is None:
            return over_time
        found: Memory = self.regions(read, over_time)
        return found

    def _features(self, source: Films[Pixels] | Films[Features]) -> Films[Features]:
        frames = source.frames if isinstance(source.frames, Features) else self.backbone(source.frames)
        return Films(frames, source.shape)


@torch.no_grad()
def map_of(backbone: Backbone, size: int) -> Features:
    """Return the features of one black image of `size` pixels a side, whose map has the shape of all."""
    mode = backbone.training
    _, pooled = found = backbone.eval().maps(torch.zeros(1, 3, size, size))
    backbone.train(mode)
    rows, columns = found[0].shape[-2:]
    return Features(found[0].flatten(2).transpose(1, 2), pooled, (rows, columns))

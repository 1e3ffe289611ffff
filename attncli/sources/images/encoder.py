"""Networks over images: a feature map, whose cells are the positions of the memory.

B images, C channels of the map, P channels of the pooled vector, D memory width, S = rows * columns regions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from attncli.models.dropout import Dropout
from attncli.models.encoders.encoder import Encoder
from attncli.models.memory import Memory
from attncli.models.positions import GridPositions
from attncli.sources.images.batch import Features, Pixels

Triple = tuple[float, float, float]
# So that the feature maps of the first layers, the largest, stay in the cache of the CPU.
_TOGETHER_ON_A_CPU = 8


class Backbone(nn.Module, ABC):
    """Turns pixels into a feature map and a pooled vector.

    Some of its blocks may be fixed: training changes neither their weights nor their normalisation statistics.
    """

    map_size: int  # C
    pooled_size: int  # P
    mean: Triple = (0.5, 0.5, 0.5)  # subtracted from pixels between 0 and 1
    std: Triple = (0.5, 0.5, 0.5)  # then divides them
    rate_factor: float = 1.0  # multiplies the learning rate

    def __init__(self) -> None:
        super().__init__()
        self._fixed: tuple[nn.Module, ...] = ()

    def fix(self, *modules: nn.Module) -> None:
        """Keep `modules` as they are from now on."""
        self._fixed = modules
        for module in modules:
            module.requires_grad_(False).eval()

    @property
    def learns(self) -> bool:
        """Whether any part of the network is trained."""
        return any(parameter.requires_grad for parameter in self.parameters())

    def train(self, mode: bool = True) -> Backbone:
        """Set the training mode; fixed modules stay in evaluation mode, which keeps their statistics."""
        super().train(mode)
        for module in self._fixed:
            module.eval()
        return self

    @abstractmethod
    def maps(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the feature map [B, C, rows, columns] and pooled vector [B, P] of normalised `pixels` [B, 3, H, W]."""

    def forward(self, images: Pixels) -> Features:
        """Return the features of `images`."""
        if torch.is_grad_enabled() and self.learns:
            return self._features(images.pixels)
        with torch.no_grad():
            together = _TOGETHER_ON_A_CPU if images.pixels.device.type == "cpu" else len(images)
            parts = [self._features(pixels) for pixels in torch.split(images.pixels, together)]
        regions, pooled = torch.cat([part.regions for part in parts]), torch.cat([part.pooled for part in parts])
        return Features(regions, pooled, parts[0].grid)

    def _features(self, pixels: Tensor) -> Features:
        # Without non_blocking the copies would wait for all that a device has still to do.
        mean, std = (
            torch.tensor(each)[:, None, None].to(pixels.device, non_blocking=True) for each in (self.mean, self.std)
        )
        # Convolutions are fastest if the channels of a pixel are adjacent; later layers keep the layout.
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        found, pooled = self.maps((pixels / 255 - mean) / std)
        rows, columns = found.shape[-2:]
        return Features(found.flatten(2).transpose(1, 2), pooled, (rows, columns))


class ImageEncoder(Encoder):
    """A memory of an image's regions, row by row (Xu et al. 2015, 3.1.1).

    `memory_size` D projects the regions to another width. With `summarises` the summary is a layer over the pooled
    vector (Vinyals et al. 2015, "Show and Tell"), otherwise the mean region. With `normalises` each region goes through
    layer normalisation; `positions` are added to the regions. Regions that nothing reads stay as the backbone gives
    them.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        memory_size: int | None,
        summarises: bool,
        dropout: float,
        regions_are_read: bool = True,
        normalises: bool = False,
        positions: GridPositions | None = None,
    ):
        super().__init__()
        self.backbone = backbone
        self.memory_size = memory_size or backbone.map_size
        self.regions_are_read = regions_are_read
        projects = regions_are_read and memory_size is not None
        self.project = nn.Linear(backbone.map_size, self.memory_size) if projects else None
        self.norm = nn.LayerNorm(self.memory_size) if regions_are_read and normalises else None
        self.positions = positions if regions_are_read else None
        self.summarise = nn.Linear(backbone.pooled_size, self.memory_size) if summarises else None
        self.dropout = Dropout(dropout)

    def forward(self, source: Pixels | Features) -> Memory:
        """Return the memory of images, or of the features that the backbone made of them earlier."""
        features = self.backbone(source) if isinstance(source, Pixels) else source
        kind = next(iter(self.parameters())).dtype
        regions, pooled = features.regions.to(kind), features.pooled.to(kind)
        if self.project is not None:
            regions = self.project(regions)
        if self.norm is not None:
            regions = self.norm(regions)
        if self.positions is not None:
            regions = regions + self.positions(regions, features.grid)
        if self.regions_are_read:
            regions = self.dropout(regions)  # [B, S, D]
        mask = torch.ones(regions.shape[:2], dtype=torch.bool, device=regions.device)
        summary = regions.mean(1) if self.summarise is None else self.summarise(pooled)
        return Memory.of(regions, mask, summary, features.grid)

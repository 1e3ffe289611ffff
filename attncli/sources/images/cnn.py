"""A small residual network over images, for training from scratch.

B images, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from attncli.sources.images.encoder import Backbone

_GROUPS = 8


class CNN(Backbone):
    """Stages of residual blocks (He et al. 2016), each beginning with a convolution that halves height and width.

    That convolution is 4 pixels wide, an even number, so that a cell of the map is centred on the pixels under it.
    Those of the blocks have `kernel_size`: a cell of two stages of one block each sees 10 pixels with 1, 34 with 3.
    Normalisation is by groups of channels, which makes the features of an image independent of its batch. Initial
    weights are those of He et al. 2015 ("Delving Deep into Rectifiers"): with smaller ones small objects hardly differ
    from the background at first, and attention finds them late.
    """

    def __init__(self, widths: Sequence[int], *, blocks: int, kernel_size: int):
        super().__init__()
        self.map_size = self.pooled_size = widths[-1]
        layers: list[nn.Module] = []
        for before, width in zip((3, *widths), widths, strict=False):
            layers.append(nn.Conv2d(before, width, 4, stride=2, padding=1))
            layers += [ResidualBlock(width, kernel_size) for _ in range(blocks)]
        self.layers = nn.Sequential(*layers)
        self.norm = _norm(widths[-1])
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def maps(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the map [B, C, rows, columns] of the last stage, and its mean [B, C]."""
        found = F.relu(self.norm(self.layers(pixels)))
        return found, found.mean((2, 3))


class ResidualBlock(nn.Module):
    """x + f(x), with normalisation before each convolution (He et al. 2016, "Identity mappings")."""

    def __init__(self, width: int, kernel_size: int):
        super().__init__()
        convolution = partial(nn.Conv2d, width, width, kernel_size, padding=kernel_size // 2, bias=False)
        self.first, self.second = convolution(), convolution()
        self.first_norm, self.second_norm = _norm(width), _norm(width)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return a map [B, C, rows, columns], of the shape of `inputs`."""
        hidden = self.first(F.relu(self.first_norm(inputs)))
        return inputs + self.second(F.relu(self.second_norm(hidden)))  # type: ignore[no-any-return]


def _norm(width: int) -> nn.GroupNorm:
    groups = next(count for count in range(min(_GROUPS, width), 0, -1) if width % count == 0)
    return nn.GroupNorm(groups, width)

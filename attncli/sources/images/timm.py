"""Networks of the library `timm` that give feature maps; the library is imported only if one is asked for.

B images, C channels.
"""

from __future__ import annotations

import importlib
from typing import Any

from torch import Tensor

from attncli.errors import UserError, unknown
from attncli.sources.images.encoder import Backbone


class TimmBackbone(Backbone):
    """The feature map number `layer` of timm's network `name`.

    Blocks are timm's feature modules in their order; those from `fine_tune_from` on are trained.
    """

    def __init__(
        self,
        name: str,
        *,
        layer: int,
        weights: str | None,
        pretrained: bool,
        fine_tune_from: int | None,
        rate_factor: float,
    ):
        super().__init__()
        self.network = _network(name, layer, weights, pretrained)
        self.map_size = self.pooled_size = int(self.network.feature_info.channels()[-1])
        settings = getattr(self.network, "pretrained_cfg", None) or {}
        self.mean = tuple(settings.get("mean", self.mean))
        self.std = tuple(settings.get("std", self.std))
        self.rate_factor = rate_factor
        blocks = list(self.network.children())
        self.fix(*(blocks if fine_tune_from is None else blocks[:fine_tune_from]))

    def maps(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the map [B, C, rows, columns], and its mean [B, C]."""
        found = self.network(pixels)[-1]
        return found, found.mean((2, 3))


def _network(name: str, layer: int, weights: str | None, pretrained: bool) -> Any:
    timm = _library()
    known = timm.list_models()
    if name.split(".")[0] not in known:
        text = unknown("network", name, known)
        raise UserError(f"model.encoder.name: {text if len(text) < 500 else f'{text[:500]}...'}")
    options = {"checkpoint_path": weights} if weights and pretrained else {"pretrained": pretrained}
    try:
        return timm.create_model(name, features_only=True, out_indices=(layer,), **options)
    except (AssertionError, IndexError, RuntimeError, OSError, ValueError) as error:
        raise UserError(f"model.encoder: timm cannot make {name!r} with layer {layer}: {error}") from None


def _library() -> Any:
    try:
        return importlib.import_module("timm")
    except Exception as error:
        # Not only ImportError: a torchvision that does not match this torch raises RuntimeError.
        raise UserError(
            f"model.encoder.kind: 'timm' needs the library timm, which cannot be imported ({error}); install it with: "
            "pip install 'attncli[timm]', or choose cnn or efficientnet_lite0"
        ) from None

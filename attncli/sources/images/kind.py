"""Images as sources."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from attncli.config.sources.images import CNN, EfficientNetLite0, Timm
from attncli.config.writing import WritingModel
from attncli.data.cache import cache_folder
from attncli.data.columns import Array, Column, Seeds
from attncli.errors import DataError
from attncli.machine.progress import progress
from attncli.models.build import Needs, build_grid_positions
from attncli.sources.images.batch import Features, stack_images
from attncli.sources.images.cnn import CNN as CNNBackbone  # noqa: N811 - the class's own name
from attncli.sources.images.efficientnet_lite0 import EfficientNetLite0 as EfficientNetLite0Backbone
from attncli.sources.images.encoder import Backbone, ImageEncoder
from attncli.sources.images.features import FeatureStore, StoredFeatures
from attncli.sources.images.locator import ImageLocator
from attncli.sources.images.reader import ImageReader, mirror
from attncli.sources.images.timm import TimmBackbone
from attncli.sources.source import Drawer, Shared, SourceKind

Section = CNN | EfficientNetLite0 | Timm

# The keys of an encoder on which the features of its fixed network depend; the others concern what comes after them.
_OF_FEATURES = ("kind", "preprocessing", "layer", "name", "fine_tune_from")
_ENCODED_TOGETHER = 32


class Images(SourceKind[Section]):
    """Images, read by convolutional networks; the positions of the memory are regions."""

    def reader(self, section: Section, shared: Shared) -> ImageReader:
        """Return the reader that turns files into squares."""
        return ImageReader(section.preprocessing, shared.config.training.augmentation)  # type: ignore[attr-defined]

    def encoder(self, section: Section, model: WritingModel, needs: Needs, *, vocabulary: int) -> ImageEncoder:
        """Return the network over pixels, or over the features that its fixed part made of them earlier."""
        backbone = build_backbone(section, pools=needs.summary)
        return ImageEncoder(
            backbone,
            memory_size=section.memory_size,
            summarises=needs.summary,
            dropout=model.dropout.layers,
            regions_are_read=needs.states,
            normalises=section.normalises,
            positions=build_grid_positions(section, section.memory_size or backbone.map_size),
        )

    def put_pretrained(self, section: Section, encoder: Any) -> None:
        """Load the pretrained weights that `section` names into the network of `encoder`."""
        if isinstance(section, EfficientNetLite0):
            encoder.backbone.load(None if section.weights is None else Path(section.weights))
        elif isinstance(section, Timm):
            # Built a second time, since timm fetches weights only while it builds.
            with torch.device("cpu"):
                fetched = build_backbone(section, pools=True, pretrained=True)
            encoder.backbone.load_state_dict(fetched.state_dict())

    def lengths(self, cells: Sequence[str], section: Section, shared: Shared, encoder: Any) -> list[int | DataError]:
        """Return 1 for each image, or its error; an image whose features are stored is known to be readable."""
        if not section.is_fixed:
            return super().lengths(cells, section, shared, encoder)
        missing = feature_store(section, shared, encoder.backbone).missing([Path(cell) for cell in cells])
        unread = [str(path) for path in missing]
        found = dict(zip(unread, super().lengths(unread, section, shared, encoder), strict=True))
        return [found.get(cell, 1) for cell in cells]

    def column(
        self,
        cells: Sequence[str],
        lengths: Sequence[int],
        section: Section,
        shared: Shared,
        encoder: Any,
        *,
        varies: bool,
    ) -> Column:
        """Return images that are read on demand, or features, which a fixed network computes once."""
        if not section.is_fixed:
            return super().column(cells, lengths, section, shared, encoder, varies=varies)
        plain, mirrored = stored_features(cells, section, shared, encoder), None
        if varies and shared.config.training.augmentation.flip:  # type: ignore[attr-defined]
            mirrored = stored_features(cells, section, shared, encoder, mirrored=True)
        return FeatureColumn(plain, mirrored)

    def drawer(self, section: Section) -> Drawer:
        """Return the drawer of images and their weights."""
        # Importing matplotlib takes a second, which only drawing should cost.
        from attncli.sources.images.drawing import ImageDrawer

        return ImageDrawer(section.preprocessing)

    def locator(self, section: Section) -> ImageLocator:
        """Return what finds boxes in images."""
        return ImageLocator(section.preprocessing)


@dataclass(frozen=True)
class FeatureColumn:
    """Features that were computed earlier; in training half of them, at random, are of the mirror image if flipping."""

    plain: StoredFeatures
    mirrored: StoredFeatures | None

    @property
    def lengths(self) -> Array:
        """[N] ones."""
        return np.ones(len(self.plain), np.int32)

    def start(self, rows: Array, seeds: Seeds | None) -> Callable[[], Features]:
        """Return a function that gives the features of the images `rows` [B]."""
        return partial(self._read, rows, seeds)

    def _read(self, rows: Array, seeds: Seeds | None) -> Features:
        read = self.plain.batch(rows)
        if self.mirrored is not None and seeds is not None:
            drawn = np.flatnonzero([np.random.default_rng(list(seed)).random() < 0.5 for seed in seeds])
            others = self.mirrored.batch(rows[drawn])
            read.regions[drawn], read.pooled[drawn] = others.regions, others.pooled
        return read


def build_backbone(section: Section, *, pools: bool, pretrained: bool = False) -> Backbone:
    """Return the network over pixels that `section` describes; `pretrained` makes timm load its weights."""
    if isinstance(section, CNN):
        return CNNBackbone(section.widths, blocks=section.blocks, kernel_size=section.kernel_size)
    if isinstance(section, Timm):
        return TimmBackbone(
            section.name,
            layer=section.layer,
            weights=section.weights,
            pretrained=pretrained,
            fine_tune_from=section.fine_tune_from,
            rate_factor=section.learning_rate_factor,
        )
    return EfficientNetLite0Backbone(
        layer=section.layer,
        fine_tune_from=section.fine_tune_from,
        rate_factor=section.learning_rate_factor,
        pools=pools,
    )


def feature_store(
    section: Section, shared: Shared, backbone: Backbone, *, mirrored: bool = False, pooled_alone: bool = False
) -> FeatureStore:
    """Return where the features of the fixed network `backbone` are kept, of images as they are or `mirrored`.

    With `pooled_alone` they have no regions.
    """
    total = hashlib.sha256()
    for name, tensor in backbone.state_dict().items():
        total.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
    facts: dict[str, Any] = {
        "weights": total.hexdigest(),
        "encoder": {key: value for key, value in section.model_dump().items() if key in _OF_FEATURES},
    }
    if mirrored:
        facts["mirrored"] = True
    if pooled_alone:
        facts["pooled_alone"] = True
    return FeatureStore(cache_folder(shared.config.data.cache) / "features", facts, sums=shared.sums)


def stored_features(
    cells: Sequence[str], section: Section, shared: Shared, encoder: ImageEncoder, *, mirrored: bool = False
) -> StoredFeatures:
    """Return the features of the files `cells`; those not stored yet are computed, with a progress bar."""
    store = feature_store(section, shared, encoder.backbone, mirrored=mirrored)
    reader = ImageReader(section.preprocessing)

    def compute(paths: Sequence[Path]) -> Features:
        squares = [reader.read(str(path)) for path in paths]
        return encoded(encoder.backbone, [mirror(square) for square in squares] if mirrored else squares)

    paths = [Path(cell) for cell in cells]
    with progress(len(store.missing(paths)), " images") as advance:
        return store.features(paths, compute, batch=_ENCODED_TOGETHER, progress=advance)


@torch.inference_mode()
def encoded(backbone: Backbone, squares: Sequence[Array]) -> Features:
    """Return the features that `backbone` makes of `squares` [size, size, 3], as at inference."""
    device = next(backbone.parameters()).device
    mode = backbone.training
    backbone.eval()
    found: Features = backbone(stack_images(squares).to(device))
    backbone.train(mode)
    return found

"""Reads images in the form their encoder takes: squares of one size, augmented in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from attncli.config.sources.images import Augmentation, Preprocessing
from attncli.data.columns import Reader
from attncli.sources.images.batch import Pixels, stack_images
from attncli.sources.images.files import read_image
from attncli.sources.images.placement import place, place_at_random

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ImageReader(Reader[Array]):
    """Reads files as squares [size, size, 3] uint8."""

    preprocessing: Preprocessing
    augmentation: Augmentation | None = None

    ahead = 128
    on_threads = True

    def read(self, cell: str, *, seed: Sequence[int] | None = None) -> Array:
        """Return the image in the file `cell`, augmented as `seed` decides; without one, as it is."""
        if seed is None or self.augmentation is None or self.augmentation.changes_nothing:
            image = read_image(Path(cell), shorter_side=self.preprocessing.shorter_side)
            return place(image.size, self.preprocessing).apply(image)
        # The smallest crop must still have the pixels of a whole image.
        shorter_side = round(self.preprocessing.shorter_side / self.augmentation.smallest_crop)
        image = read_image(Path(cell), shorter_side=shorter_side)
        generator = np.random.default_rng(list(seed))
        return place_at_random(image.size, self.preprocessing, self.augmentation, generator).apply(image)

    def pack(self, items: Sequence[Array]) -> Pixels:
        """Return the squares as one batch."""
        return stack_images(items)


def mirror(square: Array) -> Array:
    """Return the mirror image of `square` [H, W, 3], left and right exchanged."""
    return np.ascontiguousarray(square[:, ::-1])

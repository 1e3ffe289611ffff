"""Features of a fixed network as the sources of a corpus."""

from __future__ import annotations

import numpy as np

from attncli.sources.images.features import StoredFeatures
from attncli.sources.images.kind import FeatureColumn

SOURCE_OF = np.array([0, 1, 1, 1, 2, 2])


def stored(first: int) -> StoredFeatures:
    # Images are told by their values: two regions of three channels, and a pooled vector of one.
    return StoredFeatures(first + np.arange(3)[:, None] + np.zeros((3, 7), np.float16), np.arange(3), (1, 2), 3)


def test_stored_features_are_those_of_mirror_images_half_of_the_time() -> None:
    column = FeatureColumn(stored(0), stored(100))
    assert column.lengths.tolist() == [1, 1, 1]

    def read(epoch: int, captions: np.ndarray) -> list[float]:
        found = column.start(SOURCE_OF[captions], [(1, epoch, caption) for caption in captions.tolist()])()
        for at in range(len(captions)):
            assert set(found.regions[at].flatten().tolist()) == {found.pooled[at].item()}
        return found.pooled[:, 0].tolist()

    order = np.array([3, 0, 5])
    seen = np.array([read(epoch, order) for epoch in range(200)])
    assert (seen % 100 == SOURCE_OF[order]).all()
    # Each by itself: 200 draws are 100 +- 7.
    assert (abs((seen >= 100).sum(0) - 100) < 30).all()
    assert read(4, order) == read(4, order)
    # A caption's draw does not hang on the batch it is in.
    assert read(4, order[::-1])[::-1] == read(4, order)


def test_without_seeds_features_are_those_of_the_images_as_they_are() -> None:
    rows = np.array([2, 0, 1])
    for column in (FeatureColumn(stored(0), stored(100)), FeatureColumn(stored(0), None)):
        assert column.start(rows, None)().pooled[:, 0].tolist() == [2, 0, 1]

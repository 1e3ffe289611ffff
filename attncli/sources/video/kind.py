"""Films as sources."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from attncli.config.sources.video import Frames
from attncli.config.writing import WritingModel
from attncli.data.columns import Array, Column
from attncli.data.direction import is_backwards
from attncli.errors import DataError
from attncli.models.build import Needs, build_grid_positions, build_positions
from attncli.models.encoders.networks import build_network
from attncli.models.positions import Placing
from attncli.sources.images.batch import Features
from attncli.sources.images.encoder import Backbone
from attncli.sources.images.features import StoredFeatures
from attncli.sources.images.kind import Images, build_backbone, encoded, feature_store
from attncli.sources.images.reader import mirror
from attncli.sources.source import Drawer, Shared, SourceKind
from attncli.sources.time_locator import TimeLocator
from attncli.sources.video.encoder import FilmEncoder, FrameVectors, Regions, map_of
from attncli.sources.video.features import FilmColumn, KeptFilms, without_regions
from attncli.sources.video.folders import films_in
from attncli.sources.video.reader import FilmReader


class Video(SourceKind[Frames]):
    """Films, read frame by frame; the positions of the memory are frames, or regions of frames."""

    def found_in(self, folder: Path, section: Frames) -> list[Path]:
        """Return the films in `folder` and below it: files and folders of frames, or images with `frame_height`."""
        return films_in(folder) if section.frame_height is None else super().found_in(folder, section)

    def reader(self, section: Frames, shared: Shared) -> FilmReader:
        """Return the reader that turns files into squares."""
        augmentation = getattr(shared.config.training, "augmentation", None)
        return FilmReader(section, augmentation)

    def encoder(self, section: Frames, model: WritingModel, needs: Needs, *, vocabulary: int) -> FilmEncoder:
        """Return the networks over frames and over time."""
        network, size = section.network, section.network.hidden_size
        whole_map = section.frame_vector == "map"
        backbone = build_backbone(section.frame, pools=not whole_map)
        input_size = backbone.pooled_size
        if whole_map:
            input_size = map_of(backbone, section.frame.preprocessing.size).regions[0].numel()
        placing = Placing(
            factor=1.0,
            positions=build_positions(network, size, key="model.encoder.network.maximum_length"),
            dropout=model.dropout.inputs,
        )
        regions = None
        if section.regions and needs.states:
            positions = build_grid_positions(section, size)
            regions = Regions(
                backbone.map_size,
                size,
                normalises=section.frame.normalises,
                positions=positions,
                dropout=model.dropout.layers,
            )
        vectors = FrameVectors(input_size, size, whole_map=whole_map, normalises=section.normalisation == "film")
        return FilmEncoder(backbone, build_network(network, vectors, placing, model), memory_size=size, regions=regions)

    def put_pretrained(self, section: Frames, encoder: Any) -> None:
        """Load the pretrained weights that the network over frames names."""
        Images().put_pretrained(section.frame, encoder)

    def lengths(self, cells: Sequence[str], section: Frames, shared: Shared, encoder: Any) -> list[int | DataError]:
        """Return how many frames of each film are read, or its error; one whose features are kept is readable."""
        if not section.frame.is_fixed:
            return super().lengths(cells, section, shared, encoder)
        kept = self._kept(section, shared, encoder.backbone).lengths(cells)
        unread = [cell for cell in cells if cell not in kept]
        found = dict(zip(unread, super().lengths(unread, section, shared, encoder), strict=True))
        return [kept[cell] if cell in kept else found[cell] for cell in cells]

    def column(
        self,
        cells: Sequence[str],
        lengths: Sequence[int],
        section: Frames,
        shared: Shared,
        encoder: Any,
        *,
        varies: bool,
    ) -> Column:
        """Return films that are read on demand, or features of their frames, which a fixed network computes once."""
        if not section.frame.is_fixed:
            return super().column(cells, lengths, section, shared, encoder, varies=varies)

        def stored(*, mirrored: bool) -> StoredFeatures:
            kept = self._kept(section, shared, encoder.backbone, mirrored=mirrored)
            return kept.features(cells, lengths, lambda squares: encode(squares, mirrored=mirrored))

        def encode(squares: Sequence[Array], *, mirrored: bool) -> Features:
            found = encoded(encoder.backbone, [mirror(square) for square in squares] if mirrored else squares)
            return found if _reads_regions(section) else without_regions(found)

        flips = varies and shared.config.training.augmentation.flip  # type: ignore[attr-defined]
        return FilmColumn(
            np.array(lengths, np.int32),
            np.array([is_backwards(cell) for cell in cells]),
            stored(mirrored=False),
            stored(mirrored=True) if flips else None,
        )

    def _kept(self, section: Frames, shared: Shared, backbone: Backbone, *, mirrored: bool = False) -> KeptFilms:
        store = feature_store(
            section.frame, shared, backbone, mirrored=mirrored, pooled_alone=not _reads_regions(section)
        )
        return KeptFilms(store, section, shared.sums)

    def locator(self, section: Frames) -> TimeLocator:
        """Return what finds intervals of time."""
        return TimeLocator()

    def drawer(self, section: Frames) -> Drawer:
        """Return the drawer of films and their weights."""
        # Importing matplotlib takes a second, which only drawing should cost.
        from attncli.sources.video.drawing import FilmDrawer

        return FilmDrawer(section)


def _reads_regions(section: Frames) -> bool:
    return section.regions or section.frame_vector == "map"

"""Recordings as sources."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from attncli.config.sources.audio import Convolutions, LogMel, Spectrogram
from attncli.config.sources.sequences import RecurrentNetwork
from attncli.config.writing import WritingModel
from attncli.data.cache import cache_folder
from attncli.data.columns import Column, ReadColumn
from attncli.errors import DataError
from attncli.machine.progress import progress
from attncli.models.build import Needs, build_positions
from attncli.models.encoders.embedding import Embedding
from attncli.models.encoders.encoder import Encoder
from attncli.models.encoders.networks import build_network
from attncli.models.positions import Placing
from attncli.sources.audio.features import LogMelEnergies, Masks, mel_filters
from attncli.sources.audio.kept import KeptFeatures
from attncli.sources.audio.reader import MatrixFeatures, RecordingReader, SoundFeatures
from attncli.sources.audio.subsampling import ConvolutionalSubsampling, Given, PyramidalSubsampling
from attncli.sources.source import Drawer, Shared, SourceKind
from attncli.sources.time_locator import TimeLocator


class Audio(SourceKind[Spectrogram]):
    """Recordings, read frame by frame; the positions of the memory follow each other in time."""

    def reader(self, section: Spectrogram, shared: Shared) -> RecordingReader:
        """Return the reader that turns files into features."""
        return RecordingReader(
            _features(section),
            normalises=section.normalisation == "recording",
            differences=section.differences,
            frames_of_position=section.frames_of_position,
            seconds_of_position=section.seconds_of_position,
            masks=_masks(shared),
        )

    def encoder(self, section: Spectrogram, model: WritingModel, needs: Needs, *, vocabulary: int) -> Encoder:
        """Return the network over what subsampling leaves of the frames."""
        network, size = section.network, section.network.hidden_size
        placing = Placing(
            factor=1.0,
            positions=build_positions(network, size, key="model.encoder.network.maximum_length"),
            dropout=model.dropout.inputs,
        )
        return build_network(network, _subsampling(section, model, size), placing, model)

    def lengths(
        self, cells: Sequence[str], section: Spectrogram, shared: Shared, encoder: Encoder
    ) -> list[int | DataError]:
        """Return the number of positions of each of `cells`, or its error; features of sound are kept on the way."""
        reader = self._keeping(section, shared)
        found: list[int | DataError] = []
        with ThreadPoolExecutor(max(1, shared.workers)) as pool, progress(len(cells), " recordings") as advance:
            for length in pool.map(lambda cell: _length(reader, cell), cells):
                found.append(length)
                advance(1)
        return found

    def column(
        self,
        cells: Sequence[str],
        lengths: Sequence[int],
        section: Spectrogram,
        shared: Shared,
        encoder: Encoder,
        *,
        varies: bool,
    ) -> Column:
        """Return recordings whose features are read on demand, those of sound from where they are kept."""
        pool = ThreadPoolExecutor(shared.workers) if shared.workers else None
        return ReadColumn(cells, np.array(lengths, np.int32), self._keeping(section, shared), pool)

    def _keeping(self, section: Spectrogram, shared: Shared) -> RecordingReader:
        """Return a reader that keeps features of sound; matrices are features in files already."""
        reader = self.reader(section, shared)
        if not isinstance(section.features, LogMel):
            return reader
        facts = section.model_dump(include={"features", "normalisation", "maximum_seconds"})
        return replace(reader, kept=KeptFeatures.of(cache_folder(shared.config.data.cache), facts, shared.sums))

    def drawer(self, section: Spectrogram) -> Drawer:
        """Return the drawer of recordings and their weights."""
        # Importing matplotlib takes a second, which only drawing should cost.
        from attncli.sources.audio.drawing import AudioDrawer

        return AudioDrawer(_features(section), section.features.hop)

    def locator(self, section: Spectrogram) -> TimeLocator:
        """Return what finds intervals of time."""
        return TimeLocator()


def _length(reader: RecordingReader, cell: str) -> int | DataError:
    try:
        return reader.length(reader.read(cell))
    except DataError as error:
        return error


def _features(section: Spectrogram) -> SoundFeatures | MatrixFeatures:
    """Return what computes or reads the features that `section` names."""
    features = section.features
    if not isinstance(features, LogMel):
        return MatrixFeatures(features.size, most=round(section.maximum_seconds / features.hop))
    filters = mel_filters(
        features.bands,
        lowest=features.lowest,
        highest=features.sample_rate / 2 if features.highest is None else features.highest,
        rate=features.sample_rate,
        transform_size=features.transform_size,
    )
    energies = LogMelEnergies(
        filters,
        window=features.window_samples,
        hop=features.hop_samples,
        transform_size=features.transform_size,
        pre_emphasis=features.pre_emphasis,
    )
    return SoundFeatures(energies, features.sample_rate, section.maximum_seconds)


def _masks(shared: Shared) -> Masks | None:
    # Tasks of other sources as well have no key for them.
    found = getattr(shared.config.training, "spec_augment", None)
    if found is None or found.changes_nothing:
        return None
    return Masks(found.band_masks, found.band_width, found.time_masks, found.time_width, found.time_share)


def _subsampling(section: Spectrogram, model: WritingModel, size: int) -> Embedding:
    chosen, orders = section.subsampling, 1 + section.differences
    if isinstance(chosen, Convolutions):
        return ConvolutionalSubsampling(
            section.features.size, orders=orders, channels=chosen.channels, layers=chosen.layers, size=size
        )
    each = RecurrentNetwork(cell=chosen.cell, hidden_size=chosen.hidden_size)
    inputs = [orders * section.features.size, *[2 * chosen.hidden_size] * (chosen.layers - 1)]
    layers = [
        build_network(each, Given(width), Placing(factor=1.0, positions=None, dropout=0.0), model) for width in inputs
    ]
    return PyramidalSubsampling(layers, size=size)

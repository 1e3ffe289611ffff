"""Memories of films: over time, or over time and space.

B=3 films of 3, 1 and 4 frames, 2 × 2 regions of each, D=10.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import films
import numpy as np
import pytest
import torch

from attncli.assembly.model import build_model
from attncli.config.tasks.captioning import CaptioningConfig
from attncli.errors import ConfigError
from attncli.models.positions import SinusoidalGridPositions
from attncli.models.windows import Places
from attncli.sources.images.batch import Pixels
from attncli.sources.source import Shared
from attncli.sources.video.encoder import FilmEncoder
from attncli.sources.video.kind import Video
from attncli.sources.video.reader import ReadFilm
from attncli.text.tokenizer import Tokenizer, Tokenizers

LENGTHS = [3, 1, 4]


def built(config: CaptioningConfig) -> FilmEncoder:
    torch.manual_seed(1)
    encoder = build_model(config, source_vocabulary=11, target_vocabulary=11).eval().encoder
    assert isinstance(encoder, FilmEncoder)
    return encoder


def packed(config: CaptioningConfig) -> Any:
    reader = Video().reader(config.model.encoder, Shared(config, Tokenizers(Tokenizer, Tokenizer)))  # type: ignore[arg-type]
    generator = np.random.default_rng(2)
    frames = [generator.integers(0, 256, (length, 8, 8, 3), np.uint8) for length in LENGTHS]
    return reader.pack([ReadFilm(each, 0.1) for each in frames])


def test_the_network_over_time_reads_the_mean_of_each_frame() -> None:
    encoder, source = built(config := films.configured()), packed(config)
    features = encoder.backbone(Pixels(source.frames.pixels))
    vectors = encoder.network.embedding.project(features.regions.mean(1))  # type: ignore[operator, union-attr]
    read = encoder.network.embedding.read(encoder._features(source))  # type: ignore[operator, union-attr]
    for film, frames in enumerate(torch.split(vectors, LENGTHS)):
        torch.testing.assert_close(read.states[film, : LENGTHS[film]], frames)
    assert read.lengths.tolist() == LENGTHS


@pytest.mark.parametrize("vector", ["pooled", "map"])
def test_what_a_film_shows_all_the_time_may_be_left_out(vector: str) -> None:
    config = films.configured(f"frame_vector: {vector}", "normalisation: film")
    encoder, source = built(config), packed(config)
    embedding: Any = encoder.network.embedding
    features = encoder._features(source)
    vectors = features.frames.pooled if vector == "pooled" else features.frames.regions.flatten(1)
    read = embedding.read(features)
    for film, frames in enumerate(torch.split(vectors.detach(), LENGTHS)):
        columns = [_normalised(column) for column in frames.T.tolist()]
        expected = embedding.project(torch.tensor(columns).T)
        torch.testing.assert_close(read.states[film, : LENGTHS[film]], expected, atol=1e-5, rtol=1e-4)


def _normalised(values: list[float]) -> list[float]:
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / len(values)
    return [(value - mean) / (variance + 0.001) ** 0.5 for value in values]


def test_a_whole_map_tells_where_something_is_and_a_mean_does_not() -> None:
    config = films.configured("frame_vector: map")
    encoder, source = built(config), packed(config)
    embedding = encoder.network.embedding
    assert embedding.project.in_features == 2 * 2 * 5  # type: ignore[union-attr]
    features = encoder._features(source)
    frames = features.frames
    turned = type(features)(type(frames)(frames.regions.flip(1), frames.pooled, frames.grid), features.shape)
    assert not torch.allclose(embedding.read(turned).states, embedding.read(features).states)  # type: ignore[operator, union-attr]


@pytest.mark.parametrize("normalises", [True, False])
def test_regions_are_their_own_features_and_the_state_of_their_frame(normalises: bool) -> None:
    config = films.configured("regions: true", "positions: sinusoidal")
    frame = config.model.encoder.frame.model_copy(update={"normalises": normalises})  # type: ignore[union-attr]
    section = config.model.encoder.model_copy(update={"frame": frame})
    config = config.model_copy(update={"model": config.model.model_copy(update={"encoder": section})})
    encoder, source = built(config), packed(config)
    features = encoder._features(source)
    with torch.no_grad():
        memory, over_time = encoder(source), encoder.network(features)
        assert encoder.regions is not None
        projected = encoder.regions.project(features.frames.regions)
        mean, variance = projected.mean(-1, keepdim=True), projected.var(-1, keepdim=True, correction=0)
        normalised = (projected - mean) / (variance + 1e-5).sqrt()
        regions = torch.split(normalised if normalises else projected, LENGTHS)
        places = SinusoidalGridPositions(10, axes=3)(memory.states, (4, 2, 2)).view(4, 4, 10)
        for film, length in enumerate(LENGTHS):
            for frame in range(length):
                for region in range(4):
                    expected = regions[film][frame, region] + over_time.states[film, frame] + places[frame, region]
                    found = memory.states[film, 4 * frame + region]
                    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert memory.mask.sum(1).tolist() == [12, 4, 16]
    assert [row[:count].all().item() for row, count in zip(memory.mask, [12, 4, 16], strict=True)] == [True] * 3
    assert memory.parts[0].grid == (4, 2, 2)
    assert memory.parts[0].grid_of(3) == (3, 2, 2)
    torch.testing.assert_close(memory.summary, over_time.summary)


def test_places_of_a_film_have_three_axes_and_its_own_number_of_frames() -> None:
    config = films.configured("regions: true")
    with torch.no_grad():
        places = Places.of(built(config)(packed(config)))
    assert places.sizes.tolist() == [[3, 2, 2], [1, 2, 2], [4, 2, 2]]
    at = torch.stack(places.at, -1)[0].tolist()
    assert at == [[frame, row, column] for frame in range(4) for row in range(2) for column in range(2)]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["rate: 5"], "model.encoder: count and rate: both say which frames are read; remove one of them"),
        (
            ["positions: sinusoidal"],
            "model.encoder: positions: sinusoidal belongs to regions: true; set network.positions for places in time",
        ),
    ],
)
def test_keys_that_contradict_each_other_are_named(keys: list[str], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        films.configured(*keys)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (
            "{kind: cnn, preprocessing: {size: 10}, widths: [4, 5]}",
            "model.encoder.frame.preprocessing.size: 10 cannot be halved 2 times, once for each of "
            "model.encoder.frame.widths; choose a multiple of 4",
        ),
        (
            "{kind: cnn, preprocessing: {size: 8}, widths: [4, 5], memory_size: 7}",
            "model.encoder.frame.memory_size: belongs to an encoder of images; the width is that of "
            "model.encoder.network.hidden_size; remove it",
        ),
    ],
)
def test_conflicts_of_the_network_over_frames_name_its_keys(frame: str, expected: str, tmp_path: Path) -> None:
    text = films.CONFIG.replace("{{kind: cnn, preprocessing: {{size: 8}}, widths: [4, 5]}}", "{frame}")
    path = tmp_path / "film.yaml"
    path.write_text(text.format(keys="", attention="{score: additive}", cache="cache", frame=frame))
    from attncli.config.load import read_config

    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert expected in str(caught.value)


def test_without_a_count_or_a_rate_sixteen_frames_are_read() -> None:
    section: Any = films.configured().model.encoder
    assert section.frames_read == 4
    assert section.model_copy(update={"count": None}).frames_read == 16
    assert section.model_copy(update={"count": None, "rate": 2.0}).frames_read is None

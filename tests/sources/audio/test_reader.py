"""Recordings as features: what is kept on disk, what is masked, and how many positions there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from recordings import configured, tone, write_wav

from attncli.data.columns import Places
from attncli.data.direction import Backwards
from attncli.errors import DataError
from attncli.sources.audio.kept import KeptFeatures
from attncli.sources.audio.kind import Audio
from attncli.sources.audio.reader import RecordingReader
from attncli.sources.source import Shared


def reader(encoder: str = "{}", training: str = "") -> RecordingReader:
    config = configured(encoder, training)
    return Audio().reader(config.model.encoder, Shared(config, None))  # type: ignore[arg-type]


@pytest.mark.parametrize(("layers", "positions"), [(1, 15), (2, 8), (3, 4)])
def test_positions_are_frames_over_the_subsampling_rounded_up(tmp_path: Path, layers: int, positions: int) -> None:
    path = write_wav(tmp_path / "a.wav", tone(0.31))
    read = reader(f"{{subsampling: {{layers: {layers}}}, differences: 2}}")
    item = read.read(str(path))
    assert item.shape == (30, 15)  # (0.31 - 0.02) / 0.01 + 1 frames, three times 5 bands
    assert read.length(item) == positions
    assert read.places(item) == Places(seconds=0.01 * 2**layers, duration=0.3)


def test_a_recording_shorter_than_a_frame_is_named(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", tone(0.013))
    with pytest.raises(
        DataError, match=r"a.wav: 0.013 s, shorter than a frame \(model.encoder.features.window: 0.02 s\)"
    ):
        reader().read(str(path))


def test_features_are_normalised_over_the_recording_unless_told_otherwise(tmp_path: Path) -> None:
    path = str(write_wav(tmp_path / "a.wav", tone(0.5)))
    plain, found = reader("{normalisation: none}").read(path), reader().read(path)
    np.testing.assert_allclose(found, (plain - plain.mean(0)) / plain.std(0), atol=1e-4)


def test_masks_are_for_training_alone(tmp_path: Path) -> None:
    path = str(write_wav(tmp_path / "a.wav", tone(0.5)))
    read = reader(training=", spec_augment: {band_masks: 2, time_masks: 2}")
    plain = reader().read(path)
    np.testing.assert_array_equal(read.read(path), plain)
    assert any(not np.array_equal(read.read(path, seed=(1, 2, at)), plain) for at in range(5))
    np.testing.assert_array_equal(read.read(path, seed=(1, 2, 3)), read.read(path, seed=(1, 2, 3)))
    np.testing.assert_array_equal(reader().read(path, seed=(1, 2, 3)), plain)


def test_a_recording_is_read_backwards_before_its_differences_are_taken(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(9, 3)).astype(np.float32)
    np.save(tmp_path / "a.npy", values)
    np.save(tmp_path / "b.npy", values[::-1])
    forwards = reader("{features: {kind: matrices, size: 3}, differences: 1}")
    found = forwards.read(Backwards(tmp_path / "a.npy"))
    np.testing.assert_allclose(found, forwards.read(str(tmp_path / "b.npy")), atol=1e-6)
    assert not np.allclose(found, forwards.read(str(tmp_path / "a.npy"))[::-1]), "differences change their sign"


def test_matrices_are_features_as_they_are(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(9, 3)).astype(np.float32)
    np.save(tmp_path / "a.npy", values)
    encoder = "{features: {kind: matrices, size: 3, hop: 0.05}, normalisation: none, maximum_seconds: 0.45}"
    read = matrix_reader(encoder)
    np.testing.assert_array_equal(read.read(str(tmp_path / "a.npy")), values)
    assert read.seconds_of_position == pytest.approx(0.2)
    np.save(tmp_path / "b.npy", values[[*range(9), 0]])
    with pytest.raises(DataError, match=r"10 frames, but model.encoder.maximum_seconds allows 9"):
        read.read(str(tmp_path / "b.npy"))


def matrix_reader(encoder: str) -> RecordingReader:
    from attncli.config.sources.audio import Spectrogram
    from attncli.config.yaml_core import parse_yaml

    section = Spectrogram.model_validate(parse_yaml(encoder, where="test"))
    return Audio().reader(section, Shared(configured(), None))  # type: ignore[arg-type]


class Counting:
    """Computes features, and counts how often."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __call__(self, path: Path) -> np.ndarray:
        self.calls.append(path.name)
        return np.full((4, 2), len(path.read_bytes()) + 0.5, np.float32)


def test_features_are_computed_once_for_each_content(tmp_path: Path) -> None:
    for name, content in (("a", b"12"), ("b", b"12"), ("c", b"345")):
        (tmp_path / name).write_bytes(content)
    compute = Counting()
    for _ in range(2):
        kept = KeptFeatures.of(tmp_path / "cache", {"bands": 3}, {})
        found = [float(kept.get(tmp_path / name, compute)[0, 0]) for name in "abc"]
        assert found == [2.5, 2.5, 3.5]
    assert compute.calls == ["a", "c"]
    KeptFeatures.of(tmp_path / "cache", {"bands": 4}, {}).get(tmp_path / "a", compute)
    assert compute.calls == ["a", "c", "a"]


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[:-40], lambda content: b"", lambda content: content[:60] + b"\xff" * 60 + content[120:]],
)
def test_damaged_features_are_made_again(tmp_path: Path, damage: object) -> None:
    (tmp_path / "a").write_bytes(b"12")
    compute = Counting()
    KeptFeatures.of(tmp_path / "cache", {}, {}).get(tmp_path / "a", compute)
    [file] = (tmp_path / "cache").rglob("*.npz")
    file.write_bytes(damage(file.read_bytes()))  # type: ignore[operator]
    for _ in range(2):
        assert float(KeptFeatures.of(tmp_path / "cache", {}, {}).get(tmp_path / "a", compute)[3, 1]) == 2.5
    assert compute.calls == ["a", "a"]


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    (tmp_path / "a").write_bytes(b"12")
    with pytest.raises(DataError, match=r"the cache cannot be written: .*; name another folder with data.cache"):
        KeptFeatures.of(tmp_path / "cache", {}, {}).get(tmp_path / "a", Counting())


@pytest.mark.parametrize(
    "encoder",
    ["{normalisation: none}", "{features: {sample_rate: 1000, window: 0.02, hop: 0.01, bands: 4}}", "{differences: 1}"],
)
def test_what_is_kept_is_of_the_settings_that_made_it(tmp_path: Path, encoder: str) -> None:
    path = str(write_wav(tmp_path / "a.wav", tone(0.5)))

    def kept(encoder: str) -> np.ndarray:
        config = configured(encoder)
        config = config.model_copy(update={"data": config.data.model_copy(update={"cache": str(tmp_path / "cache")})})
        section, shared = config.model.encoder, Shared(config, None)  # type: ignore[arg-type]
        column = Audio().column([path], [13], section, shared, None, varies=False)  # type: ignore[arg-type]
        found: np.ndarray = column.start(np.array([0]), None)().values[0].numpy()  # type: ignore[attr-defined]
        return found

    for each in ("{}", encoder, "{}"):
        np.testing.assert_allclose(kept(each), reader(each).read(path), atol=0.02)

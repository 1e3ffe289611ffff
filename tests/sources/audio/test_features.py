"""Features against those of librosa 0.11 and loops over their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from attncli.sources.audio.features import LogMelEnergies, Masks, mel, mel_filters, normalised, with_differences

FILTERS = mel_filters(5, lowest=100, highest=3800, rate=8000, transform_size=64)
# librosa.filters.mel(sr=8000, n_fft=64, n_mels=5, fmin=100, fmax=3800, htk=True, norm=None), where it is not 0
OF_LIBROSA = {
    0: (1, [0.09368, 0.562077, 0.977148, 0.625916, 0.274684]),
    1: (3, [0.022852, 0.374084, 0.725316, 0.9426, 0.679225, 0.415851, 0.152476]),
    2: (6, [0.0574, 0.320775, 0.584149, 0.847524, 0.916842, 0.719348, 0.521854, 0.324361, 0.126867]),
    3: (10, [0.083158, 0.280652, 0.478146, 0.675639, 0.873133, 0.94704, 0.798947, 0.650855, 0.502762, 0.35467]),
}
AT = np.arange(90)
SOUND = (np.sin(2 * np.pi * 440 * AT / 8000) * 0.5 + np.cos(2 * np.pi * 1900 * AT / 8000) * 0.25).astype(np.float32)
# The logarithm of librosa.feature.melspectrogram(y=SOUND, sr=8000, n_fft=64, win_length=50, hop_length=20,
# center=False, n_mels=5, fmin=100, fmax=3800, htk=True, norm=None), a row per frame
ENERGIES = [
    [4.01896, 2.83901, -0.92322, 2.80431, 0.61096],
    [4.01870, 2.83928, -0.92598, 2.80438, 0.61075],
]
VALUES = np.array([[1, 2], [4, -1], [9, 3], [16, 0], [25, 5], [20, 1.5]], np.float32)


def test_mels_are_those_of_the_htk_book() -> None:
    # librosa.hz_to_mel(..., htk=True)
    assert [mel(at) for at in (100, 1000, 4000)] == pytest.approx([150.489102, 999.985537, 2146.064528])


def test_filters_are_those_of_librosa() -> None:
    for band, (first, weights) in OF_LIBROSA.items():
        np.testing.assert_allclose(FILTERS[band, first : first + len(weights)], weights, atol=2e-5)
        assert not FILTERS[band, :first].any()
    assert FILTERS.shape == (5, 33)


def test_energies_are_those_of_librosa() -> None:
    features = LogMelEnergies(FILTERS, window=50, hop=20, transform_size=64)
    # librosa centres a window of 50 samples in a frame of 64.
    np.testing.assert_allclose(features(SOUND[7:])[:2], ENERGIES, atol=2e-3)


def test_energies_follow_from_the_definition() -> None:
    filters = torch.tensor([[0.0, 1.0, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 1.0, 0.25]])
    found = LogMelEnergies(filters, window=6, hop=4, transform_size=8, pre_emphasis=0.9)(SOUND[:17])
    assert found.shape == (3, 2)
    raised = [float(SOUND[0]), *(float(SOUND[n]) - 0.9 * float(SOUND[n - 1]) for n in range(1, 17))]
    for frame in range(3):
        values = [raised[4 * frame + n] * (0.5 - 0.5 * math.cos(2 * math.pi * n / 6)) for n in range(6)]
        energies = [
            abs(
                sum(
                    value * complex(math.cos(2 * math.pi * k * n / 8), -math.sin(2 * math.pi * k * n / 8))
                    for n, value in enumerate(values)
                )
            )
            ** 2
            for k in range(5)
        ]
        for band in range(2):
            expected = math.log(sum(float(filters[band, k]) * energies[k] for k in range(5)))
            assert found[frame, band] == pytest.approx(expected, abs=1e-4)


def test_a_sound_shorter_than_a_frame_has_none_and_silence_has_the_smallest_energy() -> None:
    features = LogMelEnergies(FILTERS, window=50, hop=20, transform_size=64)
    assert features(SOUND[:49]).shape == (0, 5)
    np.testing.assert_allclose(features(np.zeros(50, np.float32)), math.log(1e-10), rtol=1e-6)


def test_differences_are_those_of_librosa_and_stand_beside_the_features() -> None:
    # librosa.feature.delta(VALUES.T, width=5, mode="nearest").T
    first = [[1.9, -0.1], [3.8, -0.3], [6.0, 0.7], [4.8, 0.7], [2.6, -0.15], [0.3, -0.05]]
    found = with_differences(VALUES, 2)
    assert found.shape == (6, 6)
    np.testing.assert_array_equal(found[:, :2], VALUES)
    np.testing.assert_allclose(found[:, 2:4], first, atol=1e-5)
    np.testing.assert_allclose(found[:, 4:], with_differences(np.array(first, np.float32), 1)[:, 2:], atol=1e-5)
    np.testing.assert_array_equal(with_differences(VALUES, 0), VALUES)


def test_normalised_features_have_mean_0_and_deviation_1_and_constant_ones_are_0() -> None:
    found = normalised(np.concatenate([VALUES, np.full((6, 1), 7, np.float32)], 1))
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(found.std(0), [1, 1, 0], atol=1e-6)


def test_masks_cover_neighbours_with_the_mean_and_depend_on_the_seed_alone() -> None:
    values = np.random.default_rng(3).normal(size=(30, 12)).astype(np.float32)
    masks = Masks(bands=1, band_width=4, times=1, time_width=100, time_share=0.2)
    widths = []
    for seed in range(200):
        found = masks.over(values, (1, seed))
        np.testing.assert_array_equal(found, masks.over(values, (1, seed)))
        changed = found != values
        rows, columns = np.flatnonzero(changed.all(1)), np.flatnonzero(changed.all(0))
        for covered in (rows, columns):
            assert not len(covered) or covered[-1] - covered[0] == len(covered) - 1
        expected = values.copy()
        expected[rows], expected[:, columns] = values.mean(0), values.mean(0)[columns]
        np.testing.assert_array_equal(found, expected)
        widths.append((len(columns), len(rows)))
    assert {bands for bands, _ in widths} == set(range(5))
    assert {times for _, times in widths} == set(range(7))  # a fifth of 30 frames at most
    assert np.array_equal(Masks(0, 4, 0, 9, 1.0).over(values, (1, 2)), values)

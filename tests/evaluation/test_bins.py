"""Bins of sentence lengths."""

from __future__ import annotations

import numpy as np

from attncli.evaluation.bins import duration_bins, length_bins, shortest_word_counts, word_counts


def test_words_are_what_white_space_separates() -> None:
    assert word_counts(["a b.", "", " one\u00a0two  three "]).tolist() == [2, 0, 3]


def test_shortest_reference_counts() -> None:
    assert shortest_word_counts([["a b c", "d"], ["a b", "d e f"]]).tolist() == [2, 1]


def test_bins_hold_their_upper_ends_and_empty_ones_are_left_out() -> None:
    bins = length_bins(np.array([3, 10, 11, 1, 31, 99]), (10, 20, 30))
    assert [(b.label, b.first, b.last, b.indices.tolist()) for b in bins] == [
        ("1–10", 1, 10, [0, 1, 3]),
        ("11–20", 11, 20, [2]),
        ("31+", 31, None, [4, 5]),
    ]


def test_every_sentence_is_in_one_bin() -> None:
    lengths = np.array([0, 5, 1, 7, 7, 20])
    bins = length_bins(lengths, (1, 7))
    assert sorted(np.concatenate([b.indices for b in bins]).tolist()) == list(range(6))
    assert [b.label for b in bins] == ["0–1", "2–7", "8+"]


def test_bins_of_seconds_hold_what_is_longer_than_the_bin_before() -> None:
    # 0.1 summed three times is a little more than 0.3.
    bins = duration_bins(np.array([0.1 + 0.1 + 0.1, 0.31, 1.5, 9.0, 0.02]), (0.3, 1.5, 4))
    assert [(b.label, b.first, b.last, b.indices.tolist()) for b in bins] == [
        ("0–0.3", 0, 0.3, [0, 4]),
        ("0.3–1.5", 0.3, 1.5, [1, 2]),
        ("4+", 4, None, [3]),
    ]


def test_bin_of_one_length_is_a_single_number() -> None:
    assert length_bins(np.array([4]), (3, 4))[0].label == "4"

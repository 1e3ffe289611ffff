"""When words were said, from weights over time."""

from __future__ import annotations

import numpy as np
import pytest

from attncli.data.columns import Places
from attncli.decoding.written import Written, WrittenHypothesis
from attncli.sources.words_in_time import heard, spoken_words


def written(text: str, tokens: tuple[str, ...], weights: list[list[float]]) -> Written:
    best = WrittenHypothesis(text, tokens, -1.0, -1.0, np.array(weights))
    return Written("a.wav", Places(seconds=0.5), (best,))


def test_a_word_is_heard_in_the_shortest_time_that_holds_eight_tenths_of_its_weight() -> None:
    # All in the third position, spread evenly over its half second.
    assert heard(np.array([0, 0, 1.0, 0]), 0.5) == pytest.approx((1.05, 1.45), abs=1e-6)
    # A tenth before, a tenth after.
    assert heard(np.array([0.1, 0.4, 0.4, 0.1]), 0.5) == pytest.approx((0.5, 1.5), abs=1e-6)
    # A little that lies far away does not stretch it.
    assert heard(np.array([0.2, 0, 0, 0.8]), 1.0) == pytest.approx((3.0, 4.0), abs=1e-6)
    assert heard(np.array([0.5, 0, 0, 0.5]), 1.0) == pytest.approx((0.2, 3.8), abs=1e-6)
    assert heard(np.zeros(3), 2.0) == (0.0, 6.0)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_stretch_with_as_much_weight_is_shorter(seed: int) -> None:
    weights = np.random.default_rng(seed).exponential(size=7) ** 3
    # Every start and end on a fine grid.
    grid = np.linspace(0, 7, 1401)
    sums = np.interp(grid, np.arange(8), np.concatenate([[0], np.cumsum(weights)])) / weights.sum()
    lengths = [grid[np.searchsorted(sums, low + 0.8)] - at for at, low in zip(grid, sums, strict=True) if low <= 0.2]
    start, end = heard(weights, 0.25)
    assert end - start == pytest.approx(0.25 * min(lengths), abs=0.005)
    held = np.interp([start / 0.25, end / 0.25], grid, sums)
    assert held[1] - held[0] == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("ab c", ("▁a", "b", "▁", "c", "</s>")),
        ("ab, c", ("ab￭", ",", "c", "</s>", "</s>")),
    ],
)
def test_the_tokens_of_a_word_are_averaged_and_the_end_symbol_belongs_to_none(
    text: str, tokens: tuple[str, ...]
) -> None:
    rows = [[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1.0], [0.25] * 4]
    found = spoken_words(written(text, tokens, rows))
    assert [word.text for word in found] == text.split()
    # Two tokens over the first second: half a second each.
    assert (found[0].start, found[0].end) == pytest.approx((0.1, 0.9), abs=1e-6)
    place = 1.5 if tokens[3] == "c" else 1.0
    assert (found[1].start, found[1].end) == pytest.approx((place + 0.05, place + 0.45), abs=1e-6)
    assert found[0].as_json() == {"word": text.split()[0], "start": 0.1, "end": 0.9}


def test_a_word_of_which_nothing_is_known_has_its_time() -> None:
    found = spoken_words(written("⁇ b", ("<unk>", "b", "</s>"), [[1.0, 0], [0, 1.0], [0.5, 0.5]]))
    assert [(word.text, round(word.start, 2)) for word in found] == [("⁇", 0.05), ("b", 0.55)]


def test_nothing_written_has_no_words() -> None:
    assert spoken_words(written("", ("</s>",), [[1.0, 0]])) == ()


def test_weights_over_the_regions_of_frames_are_summed() -> None:
    over_regions = np.zeros((2, 3, 2, 2))
    over_regions[0, 1], over_regions[1, 2] = 0.25, 0.25
    plain = written("ab c", ("▁ab", "▁c"), over_regions.sum((2, 3)).tolist())
    assert spoken_words(written("ab c", ("▁ab", "▁c"), over_regions.tolist())) == spoken_words(plain)

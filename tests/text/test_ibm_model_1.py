"""IBM model 1 against a loop over its equations (Brown et al. 1993, equations 15 to 17)."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from attncli.text import ibm_model_1
from attncli.text.ibm_model_1 import translation_links

Numbers = list[tuple[list[int], list[int]]]
PAIRS: Numbers = [
    ([7, 9], [4, 5]),
    ([7, 8, 7], [4, 6, 6, 4]),
    ([9], [5]),
    ([3, 9, 8, 7], [6]),
    ([70_000, 8], [90_000, 6, 4]),
]


def by_the_book(pairs: Numbers, steps: int) -> dict[tuple[int, int], float]:
    """Return the probability of each target token given each source token that it occurs with."""
    probability = defaultdict[tuple[int, int], float](lambda: 1.0)
    for _ in range(steps):
        counts = defaultdict[tuple[int, int], float](float)
        totals = defaultdict[int, float](float)
        for source, target in pairs:
            for written in target:
                whole = sum(probability[read, written] for read in source)
                for read in source:
                    counts[read, written] += probability[read, written] / whole
                    totals[read] += probability[read, written] / whole
        probability.clear()
        probability.update({link: count / totals[link[0]] for link, count in counts.items()})
    return dict(probability)


def arrays(pairs: Numbers) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(np.array(source, np.uint32), np.array(target, np.uint32)) for source, target in pairs]


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_probabilities_are_those_of_the_equations(steps: int, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ibm_model_1, "_CHUNK", chunk)
    found = translation_links(arrays(PAIRS), steps=steps)
    expected = by_the_book(PAIRS, steps)
    assert list(zip(found.source.tolist(), found.target.tolist(), strict=True)) == sorted(expected)
    assert found.probability.tolist() == pytest.approx([expected[link] for link in sorted(expected)])


def test_a_word_that_explains_more_is_the_likelier_translation() -> None:
    pairs = arrays([([1, 2], [5, 6]), ([1, 3], [5, 7]), ([2, 3], [6, 7])])
    found = translation_links(pairs, steps=5)
    of_first = found.probability[found.source == 1]
    assert found.target[found.source == 1].tolist() == [5, 6, 7]
    assert of_first[0] > 0.9
    assert of_first.sum() == pytest.approx(1)


def test_pairs_without_a_token_on_a_side_show_nothing() -> None:
    found = translation_links(arrays([([], [4]), ([7], []), ([7], [4])]), steps=2)
    assert (found.source.tolist(), found.target.tolist(), found.probability.tolist()) == ([7], [4], [1.0])
    assert not len(translation_links([], steps=2).source)

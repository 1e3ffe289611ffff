"""What rows of weights are called, and which of them are a token's."""

from __future__ import annotations

import numpy as np

from attncli.decoding.written import WrittenHypothesis


def hypothesis(tokens: tuple[str, ...], rows: int) -> WrittenHypothesis:
    return WrittenHypothesis("", tokens, 0.0, 0.0, np.arange(rows * 4.0).reshape(rows, 4))


def test_rows_are_tokens() -> None:
    found = hypothesis(("a", "dog", "</s>"), 3)
    assert (found.rows, found.looks) == (("a", "dog", "</s>"), ())
    assert found.token_weights is not None
    assert (found.token_weights == found.weights).all()


def test_of_several_looks_at_a_label_the_last_is_that_of_the_label() -> None:
    found = hypothesis(("grass",), 3)
    assert found.rows == found.looks == ("look 1", "look 2", "look 3 · grass")
    assert found.token_weights is not None
    assert found.token_weights.tolist() == [[8, 9, 10, 11]]


def test_nothing_was_looked_at_without_weights() -> None:
    found = WrittenHypothesis("", ("grass",), 0.0, 0.0, None)
    assert (found.rows, found.looks, found.token_weights) == (("grass",), (), None)

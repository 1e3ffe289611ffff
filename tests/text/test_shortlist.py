"""Shortlists: the most frequent tokens of targets, and the likeliest translations beside them."""

from __future__ import annotations

import random

import numpy as np
import pytest

from attncli.config.search import LONGEST_SHORTLIST
from attncli.text import shortlist
from attncli.text.ibm_model_1 import translation_links
from attncli.text.shortlist import Shortlist, joined, learned_shortlist
from attncli.text.tokenizer import BOS, EOS, PAD, UNK

SOURCES, TARGETS = 9, 40


def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    draw = random.Random(1)
    return [
        (
            np.array([draw.randrange(4, SOURCES - 1) for _ in range(draw.randint(1, 5))], np.uint16),
            np.array([int(4 + (TARGETS - 4) * draw.random() ** 2) for _ in range(draw.randint(1, 6))], np.uint16),
        )
        for _ in range(50)
    ]


def learned(given: list[tuple[np.ndarray, np.ndarray]]) -> Shortlist:
    return learned_shortlist(given, source_vocabulary=SOURCES, target_vocabulary=TARGETS)


def test_the_lists_are_the_most_frequent_tokens_and_the_likeliest_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortlist, "FREQUENT", 6)
    found = learned(pairs())
    counts = {token: sum(int((target == token).sum()) for _, target in pairs()) for token in range(TARGETS)}
    assert found.frequent.tolist() == sorted(counts, key=lambda token: (-counts[token], token))[:6]
    links = translation_links(pairs(), steps=3)
    probability = dict(
        zip(zip(links.source.tolist(), links.target.tolist(), strict=True), links.probability.tolist(), strict=True)
    )
    for source, row in enumerate(found.translations.tolist()):
        others = [target for read, target in probability if read == source and target not in found.frequent]
        ranked = sorted(others, key=lambda target: (-probability[source, target], target))[:LONGEST_SHORTLIST]
        assert row == ranked + [PAD] * (LONGEST_SHORTLIST - len(ranked))
    assert any(PAD not in row for row in found.translations.tolist())


def test_tokens_that_are_never_written_are_not_frequent_and_copied_words_are_not_listed() -> None:
    copied = TARGETS + 3
    found = learned([(np.array([5]), np.array([4, copied, 4])), (np.array([6]), np.array([7]))])
    assert found.frequent.tolist() == [4, 7]
    assert (found.translations == PAD).all()
    assert found.translations.shape == (SOURCES, LONGEST_SHORTLIST)


def test_nothing_is_learned_from_nothing() -> None:
    found = learned([])
    assert found.frequent.tolist() == []
    assert (found.translations == PAD).all()


TABLE = np.array([[PAD] * 3] * 4 + [[7, 8, 9], [10, PAD, PAD]], np.int32)
LIST = Shortlist(TABLE, np.array([6], np.int32))


def allowed(found: np.ndarray) -> list[set[int]]:
    return [set(row.nonzero()[0].tolist()) for row in found]


def test_candidates_are_those_of_each_source_alone() -> None:
    always = {PAD, BOS, EOS, UNK, 6}
    sources = [np.array([4, 5]), np.array([5]), np.array([], np.int64)]
    found = LIST.candidates(sources, vocabulary=12)
    assert found.shape == (3, 12)
    assert allowed(found) == [always | {7, 8, 9, 10}, always | {10}, always]
    assert allowed(LIST.first(2).candidates(sources, vocabulary=12))[0] == always | {7, 8, 10}
    assert allowed(LIST.candidates(sources[1:], vocabulary=12, also=[11])) == [always | {10, 11}, always | {11}]


def test_joined_lists_hold_what_any_of_them_holds() -> None:
    other = Shortlist(np.where(TABLE == PAD, PAD, TABLE - 3).astype(np.int32), np.array([11], np.int32))
    found = joined([LIST.first(1), other.first(1)]).candidates([np.array([4])], vocabulary=12)
    assert allowed(found) == [{PAD, BOS, EOS, UNK, 6, 11, 7, 4}]

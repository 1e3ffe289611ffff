from __future__ import annotations

import time

import numpy as np
import pytest

from attncli.data.batches import epoch_batches
from attncli.data.corpus import Corpus
from attncli.data.tokens import TokenColumn


def corpus_of(source: np.ndarray, target: np.ndarray) -> Corpus:
    sides = []
    for lengths in (source, target):
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        sides.append(TokenColumn(np.full(offsets[-1], 7, np.uint16), offsets))
    return Corpus(sides[0], sides[1], np.arange(len(source)), (), ())


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    generator = np.random.default_rng(3)
    source = generator.integers(1, 40, 1001)
    return corpus_of(source, np.maximum(1, source + generator.integers(-6, 7, 1001)))


def lists(batches: list[np.ndarray]) -> list[list[int]]:
    return [batch.tolist() for batch in batches]


@pytest.mark.parametrize("sentences", [None, 1, 9])
@pytest.mark.parametrize("tokens", [1, 30, 400, 10**9])
def test_every_pair_is_in_one_batch_within_the_budget(corpus: Corpus, tokens: int, sentences: int | None) -> None:
    batches = epoch_batches(corpus, batch_tokens=tokens, batch_sentences=sentences, seed=1, epoch=2)
    assert sorted(i for batch in lists(batches) for i in batch) == list(range(1001))
    for batch in batches:
        longest = max(corpus.source_lengths[batch].max(), corpus.target_lengths[batch].max())
        assert len(batch) == 1 or len(batch) * longest <= tokens
        assert sentences is None or len(batch) <= sentences


def test_a_batch_takes_as_many_as_fit(corpus: Corpus) -> None:
    batches = epoch_batches(corpus, batch_tokens=400, batch_sentences=None, seed=1, epoch=1)
    tokens = np.maximum(corpus.source_lengths, corpus.target_lengths).sum()
    assert len(batches) < 1.3 * tokens / 400


def test_like_lengths_are_together(corpus: Corpus) -> None:
    batches = epoch_batches(corpus, batch_tokens=400, batch_sentences=None, seed=1, epoch=1)
    for lengths, most in ((corpus.source_lengths, 0.1), (corpus.target_lengths, 0.25)):
        padded = sum(len(batch) * lengths[batch].max() for batch in batches)
        assert 1 - lengths.sum() / padded < most


def test_the_order_depends_on_seed_and_epoch_alone(corpus: Corpus) -> None:
    orders: dict[tuple[int, int], list[list[list[int]]]] = {}
    for seed, epoch in ((1, 1), (1, 2), (2, 1), (1, 1)):
        np.random.random(5)
        batches = epoch_batches(corpus, batch_tokens=200, batch_sentences=None, seed=seed, epoch=epoch)
        orders.setdefault((seed, epoch), []).append(lists(batches))
    assert orders[1, 1][0] == orders[1, 1][1]
    assert len({str(found[0]) for found in orders.values()}) == 3


def test_batches_are_not_in_the_order_of_length(corpus: Corpus) -> None:
    batches = epoch_batches(corpus, batch_tokens=200, batch_sentences=None, seed=1, epoch=1)
    widths = [int(corpus.source_lengths[batch].max()) for batch in batches]
    assert abs(np.corrcoef(widths, np.arange(len(widths)))[0, 1]) < 0.3


def test_pairs_of_one_length_meet_others_in_every_epoch() -> None:
    corpus = corpus_of(np.full(60, 5), np.full(60, 5))
    first, second = (
        {
            frozenset(batch)
            for batch in lists(epoch_batches(corpus, batch_tokens=20, batch_sentences=None, seed=1, epoch=e))
        }
        for e in (1, 2)
    )
    assert first != second


def test_many_pairs_take_a_moment() -> None:
    lengths = np.random.default_rng(1).integers(1, 60, 200_000)
    corpus = corpus_of(lengths, lengths)
    corpus.source_lengths, corpus.target_lengths  # noqa: B018 - counted once, on first use
    start = time.process_time()
    epoch_batches(corpus, batch_tokens=4096, batch_sentences=None, seed=1, epoch=1)
    assert time.process_time() - start < 2


def test_pairs_of_a_group_are_neighbours_and_all_else_is_in_random_order(corpus: Corpus) -> None:
    groups = np.random.default_rng(4).integers(0, 60, len(corpus))
    orders = []
    for epoch in (1, 2, 1):
        [batch] = epoch_batches(corpus, batch_tokens=10**9, batch_sentences=None, seed=1, epoch=epoch, groups=groups)
        orders.append(batch.tolist())
        assert sorted(batch) == list(range(1001))
        assert np.count_nonzero(np.diff(groups[batch])) == 59
    assert orders[0] == orders[2] != orders[1]
    assert groups[orders[0]].tolist() != groups[orders[1]].tolist()


def test_groups_are_cut_into_batches_within_the_budget(corpus: Corpus) -> None:
    groups = np.arange(1001) // 4
    batches = epoch_batches(corpus, batch_tokens=10**9, batch_sentences=8, seed=1, epoch=1, groups=groups)
    assert sorted(i for batch in lists(batches) for i in batch) == list(range(1001))
    assert max(map(len, batches)) == 8
    assert np.mean([len(set(groups[batch])) for batch in batches]) < 3.1

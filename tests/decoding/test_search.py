"""The search on a decoder small enough to be computed by hand: the next token depends on the last one alone."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest
import torch
from torch import Tensor

from attncli.decoding.constraints import Constraints
from attncli.decoding.search import Hypothesis, penalty, search
from attncli.decoding.strategies import BestK, Sampling, largest
from attncli.models.decoders.decoder import Decoder, Forced, Step
from attncli.models.memory import Memory
from attncli.text.tokenizer import BOS, EOS, PAD, UNK

A, B, C, VOCABULARY = 4, 5, 6, 7
WORDS = (A, B, C)


class Chain(Decoder):
    """Writes by a table of probabilities; source n uses table n, so that sources of a batch differ."""

    def __init__(self, *tables: dict[int, dict[int, float]]):
        super().__init__()
        self.tables = torch.full((len(tables), VOCABULARY, VOCABULARY), 1e-30)
        for at, table in enumerate(tables):
            for last, following in table.items():
                for token, probability in following.items():
                    self.tables[at, last, token] = probability

    def prepare(self, memory: Memory) -> Any:
        return memory.states[:, 0, 0].long()  # which table

    def start(self, prepared: Tensor) -> Any:
        return (prepared,)

    def step(self, tokens: Tensor, state: Any, prepared: Tensor) -> Step:
        return Step(self.tables[state[0], tokens].log(), None, state)

    def force(self, tokens: Tensor, prepared: Any) -> Forced:
        raise NotImplementedError

    def memory(self) -> Memory:
        sources = len(self.tables)
        which = torch.arange(sources, dtype=torch.float32)
        return Memory.of(which[:, None, None], torch.ones(sources, 1, dtype=torch.bool), which[:, None])


class Counted(Chain):
    """Counts its steps."""

    steps = 0

    def step(self, tokens: Tensor, state: Any, prepared: Tensor) -> Step:
        self.steps += 1
        return super().step(tokens, state, prepared)


def found_by(chain: Chain, **changes: Any) -> list[list[Hypothesis]]:
    asked = {"beam_size": 2, "max_length": 9, "length_penalty": 0.0, **changes}
    return search(chain, chain.memory(), **{"strategy": BestK(), **asked})


def told(hypotheses: list[Hypothesis]) -> dict[tuple[int, ...], float]:
    return {hypothesis.tokens: round(math.exp(hypothesis.log_prob), 6) for hypothesis in hypotheses}


def test_the_penalty_is_that_of_the_paper() -> None:
    assert [penalty(length, 0.5) for length in (1, 7, 13)] == pytest.approx([1.0, 2.0**0.5, 3.0**0.5])
    assert penalty(4, 0.0) == 1.0


# Greedily A (0.6), then A can only end at 0.3; B ends at once.
GARDEN_PATH = {BOS: {A: 0.6, B: 0.4}, A: {EOS: 0.3, A: 0.3, B: 0.4}, B: {EOS: 0.9, A: 0.1}}


@pytest.mark.parametrize(("vocabulary", "count"), [(1, 1), (11, 4), (24, 3), (29, 3), (96, 1), (103, 5)])
def test_the_largest_are_those_of_a_sorted_row(vocabulary: int, count: int) -> None:
    values = torch.randn(7, vocabulary, generator=torch.Generator().manual_seed(1))
    values[:, :2] = -math.inf
    values[2, :5] = 9.0
    found, places = largest(values, count, piece=4)
    assert torch.equal(found, values.sort(dim=-1, descending=True).values[:, :count])
    assert torch.equal(values.gather(1, places), found)
    assert all(len(set(row)) == count for row in places.tolist())


def test_a_beam_finds_what_greed_passes_by() -> None:
    [[greedy]] = found_by(Chain(GARDEN_PATH), beam_size=1)
    assert greedy.tokens == (A, B, EOS)
    assert math.exp(greedy.log_prob) == pytest.approx(0.6 * 0.4 * 0.9)
    [found] = found_by(Chain(GARDEN_PATH))
    assert told(found) == {(B, EOS): 0.36, (A, B, EOS): 0.216}
    assert found[0].tokens == (B, EOS)


def test_a_length_penalty_prefers_the_longer() -> None:
    # (B, EOS): log 0.36 / (7/6)^α against (A, B, EOS): log 0.216 / (8/6)^α, equal at α = 3.04.
    for alpha, best in ((0.0, (B, EOS)), (2.9, (B, EOS)), (3.2, (A, B, EOS))):
        [found] = found_by(Chain(GARDEN_PATH), length_penalty=alpha, max_length=3)
        assert found[0].tokens == best
        assert found[0].score == pytest.approx(found[0].log_prob / ((5 + len(best)) / 6) ** alpha)


def test_a_finished_hypothesis_is_not_lost_to_others_that_end_worse() -> None:
    # The end (0.3) is passed by A (0.7), then by A B and A C (0.35 each), which end at 0.105 and 0.0875.
    table = {BOS: {EOS: 0.3, A: 0.7}, A: {B: 0.5, C: 0.5}, B: {EOS: 0.3, PAD: 0.7}, C: {EOS: 0.25, PAD: 0.75}}
    [found] = found_by(Chain(table))
    assert told(found) == {(EOS,): 0.3, (A, B, EOS): 0.105}
    assert found[0].tokens == (EOS,)


def test_finished_hypotheses_come_before_likelier_unfinished_ones() -> None:
    table = {BOS: {EOS: 0.1, A: 0.9}, A: {A: 1.0}}
    [found] = found_by(Chain(table), max_length=4)
    assert [(h.tokens, round(math.exp(h.log_prob), 6)) for h in found] == [((EOS,), 0.1), ((A, A, A, A), 0.9)]


def test_forbidden_tokens_are_never_written_and_cost_nothing() -> None:
    table = {BOS: {A: 0.6, B: 0.3, EOS: 0.1}, A: {EOS: 1.0}, B: {EOS: 1.0}}
    [found] = found_by(Chain(table), constraints=Constraints(forbidden=(PAD, BOS, A)))
    assert told(found) == {(B, EOS): 0.3, (EOS,): 0.1}
    only_b = Constraints(forbidden=(PAD, BOS, A, EOS))
    [[drawn]] = found_by(Chain(table), beam_size=1, constraints=only_b, strategy=Sampling(0), max_length=1)
    assert drawn.tokens == (B,)


def test_nothing_ends_before_the_minimum_length() -> None:
    table = {BOS: {EOS: 0.7, A: 0.2, B: 0.1}, A: {EOS: 0.6, B: 0.4}, B: {EOS: 0.9, A: 0.1}}
    shortest = [
        min(len(h.tokens) for h in found_by(Chain(table), beam_size=5, constraints=Constraints(min_length=length))[0])
        for length in (1, 2, 3)
    ]
    assert shortest == [1, 2, 3]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (None, (A, A, A, A, A, A, A, A, A)),
        (1, (A, B, C, EOS)),
        (2, (A, A, B, A, C, A, EOS)),
        (3, (A, A, A, B, A, A, C, A, A)),
    ],
)
def test_no_n_gram_is_written_twice(size: int | None, expected: tuple[int, ...]) -> None:
    # A is likeliest after everything, then B, then C, and the end is least likely.
    table = {last: {A: 0.7, B: 0.2, C: 0.09, EOS: 0.01} for last in (BOS, A, B, C)}
    constraints = Constraints(no_repeat_ngram_size=size)
    [[found]] = found_by(Chain(table), beam_size=1, constraints=constraints)
    assert found.tokens == expected


@pytest.mark.parametrize("size", [1, 2, 3])
def test_hypotheses_of_a_beam_repeat_no_n_gram(size: int) -> None:
    models = [random_tables(random.Random(seed), longest=6) for seed in range(200)]
    found = found_by(Timed(*models), beam_size=4, max_length=6, constraints=Constraints(no_repeat_ngram_size=size))
    for hypothesis in chain.from_iterable(found):
        n_grams = [hypothesis.tokens[at : at + size] for at in range(len(hypothesis.tokens) - size + 1)]
        assert len(set(n_grams)) == len(n_grams)
    assert max(len(hypothesis.tokens) for hypothesis in chain.from_iterable(found)) > 3


def test_targets_begin_with_the_prefixes_of_their_sources() -> None:
    table = {BOS: {A: 0.9, B: 0.1}, A: {EOS: 0.6, B: 0.4}, B: {EOS: 0.7, A: 0.2, B: 0.1}}
    constraints = Constraints(forbidden=(PAD, BOS, C), min_length=2, prefixes=[(B, B), (), (A,), (C,)])
    found = found_by(Chain(*[table] * 4), constraints=constraints)
    assert [h.tokens for h in found[0]] == [(B, B, EOS), (B, B, A, EOS)]
    assert math.exp(found[0][0].log_prob) == pytest.approx(0.1 * 0.1 * 0.7)
    assert [h.tokens for h in found[1]] == [(A, EOS), (A, B, EOS)]
    assert [h.tokens for h in found[2]] == [(A, EOS), (A, B, EOS)]
    assert found[3][0].tokens[0] == C  # given, though it is forbidden


def test_what_nothing_else_may_follow_ends() -> None:
    table = {BOS: {A: 0.9, EOS: 0.1}, A: {A: 0.9, EOS: 0.1}}
    constraints = Constraints(forbidden=(PAD, BOS, UNK, B, C), min_length=4, no_repeat_ngram_size=1)
    [[found]] = found_by(Chain(table), beam_size=1, constraints=constraints)
    assert found.tokens == (A, EOS)


def test_every_token_has_its_log_probability() -> None:
    models = [random_tables(random.Random(seed), longest=6) for seed in range(50)]
    for tables, found in zip(models, found_by(Timed(*models), beam_size=3, max_length=6), strict=True):
        for hypothesis in found:
            before = (BOS, *hypothesis.tokens)
            expected = [
                math.log(table[last][token])
                for table, last, token in zip(tables, before, hypothesis.tokens, strict=False)
            ]
            assert hypothesis.token_log_probs == pytest.approx(expected, abs=1e-4)
            assert sum(hypothesis.token_log_probs) == pytest.approx(hypothesis.log_prob, abs=1e-6)


class Timed(Chain):
    """Has a table for each step, so that no two targets are equally likely."""

    def __init__(self, *tables: Sequence[dict[int, dict[int, float]]]):
        super().__init__(*(table for steps in tables for table in steps))
        self.sources, self.longest = len(tables), len(tables[0])

    def start(self, prepared: Tensor) -> Any:
        return (prepared * self.longest,)

    def step(self, tokens: Tensor, state: Any, prepared: Tensor) -> Step:
        found = super().step(tokens, state, prepared)
        return replace(found, state=(state[0] + 1,))

    def memory(self) -> Memory:
        which = torch.arange(self.sources, dtype=torch.float32)
        return Memory.of(which[:, None, None], torch.ones(self.sources, 1, dtype=torch.bool), which[:, None])


def random_tables(generator: random.Random, *, longest: int) -> list[dict[int, dict[int, float]]]:
    """Return a table a step in which every word and the end follow every word, likely or not."""

    def row() -> dict[int, float]:
        weights = [generator.random() ** generator.choice([1, 4]) for _ in (*WORDS, EOS)]
        return {token: each / sum(weights) for token, each in zip((*WORDS, EOS), weights, strict=True)}

    return [{last: row() for last in (BOS, *WORDS)} for _ in range(longest)]


def by_definition(
    tables: Sequence[dict[int, dict[int, float]]],
    *,
    beam_size: int,
    max_length: int,
    length_penalty: float,
    patience: float = math.inf,
) -> list[tuple[tuple[int, ...], float]]:
    """Return targets and scores of a beam search that keeps every finished hypothesis.

    It never stops early but where `patience` times as many have finished as the beam has.
    """

    def score(item: tuple[tuple[int, ...], float]) -> float:
        return item[1] / math.pow((5 + len(item[0])) / 6, length_penalty)

    beam: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    finished = []
    for table in tables[:max_length]:
        every = [
            ((*tokens, token), log_prob + math.log(probability))
            for tokens, log_prob in beam
            for token, probability in table[tokens[-1] if tokens else BOS].items()
        ]
        every.sort(key=lambda item: -item[1])
        finished += [item for item in every[:beam_size] if item[0][-1] == EOS]
        if len(finished) >= (1 if beam_size == 1 else patience * beam_size):
            beam = []
            break
        beam = [item for item in every if item[0][-1] != EOS][:beam_size]
    ranked = sorted(finished, key=score, reverse=True) + sorted(beam, key=score, reverse=True)
    return [(item[0], score(item)) for item in ranked[:beam_size]]


@pytest.mark.parametrize("length_penalty", [-0.8, 0.0, 0.6, 1.0, 2.5])
@pytest.mark.parametrize("beam_size", [1, 2, 3, 5])
def test_nothing_is_lost_that_the_beam_could_have_kept(beam_size: int, length_penalty: float) -> None:
    generator = random.Random(f"{beam_size} {length_penalty}")
    models = [random_tables(generator, longest=6) for _ in range(500)]
    every = found_by(Timed(*models), beam_size=beam_size, max_length=6, length_penalty=length_penalty)
    for tables, found in zip(models, every, strict=True):
        expected = by_definition(tables, beam_size=beam_size, max_length=6, length_penalty=length_penalty)
        assert [h.tokens for h in found] == [tokens for tokens, _ in expected]
        assert [h.score for h in found] == pytest.approx([score for _, score in expected], abs=1e-4)


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("patience", [1, 1.5, 2])
@pytest.mark.parametrize("beam_size", [1, 2, 3, 5])
def test_patience_is_up_when_so_many_have_finished(beam_size: int, patience: float, length_penalty: float) -> None:
    asked: dict[str, Any] = {"beam_size": beam_size, "max_length": 6, "length_penalty": length_penalty}
    generator = random.Random(f"{asked} {patience}")
    models = [random_tables(generator, longest=6) for _ in range(300)]
    every = found_by(Timed(*models), **asked, patience=patience)
    expected = [by_definition(tables, **asked, patience=patience) for tables in models]
    assert [[h.tokens for h in found] for found in every] == [[tokens for tokens, _ in each] for each in expected]
    if beam_size > 1 and patience == 1 and length_penalty > 0:
        assert expected != [by_definition(tables, **asked) for tables in models]


@pytest.mark.parametrize("length_penalty", [-0.8, 0.0, 1.0, 2.5])
@pytest.mark.parametrize("beam_size", [1, 2, 3, 5])
def test_how_many_are_wanted_does_not_change_what_they_are(beam_size: int, length_penalty: float) -> None:
    asked: dict[str, Any] = {"beam_size": beam_size, "max_length": 6, "length_penalty": length_penalty}
    generator = random.Random(f"{asked}")
    models = [random_tables(generator, longest=6) for _ in range(500)]
    expected = [by_definition(tables, **asked) for tables in models]
    for wanted in range(1, beam_size + 1):
        every = found_by(Timed(*models), **asked, wanted=wanted)
        assert [[h.tokens for h in found] for found in every] == [[found for found, _ in e[:wanted]] for e in expected]


def test_fewer_steps_find_what_is_wanted() -> None:
    # The two ends are worth 0.5 and 0.1, what goes on 0.075: with α = 1 it may become the second until the last step,
    # log 0.075 / (14/6) = -1.11 and log 0.1 / (7/6) = -1.97, but not the first, -0.69, from the second step on.
    table = {BOS: {EOS: 0.5, A: 0.5}, A: {EOS: 0.2, B: 0.15, PAD: 0.65}, B: {B: 1.0}}
    for wanted, steps in ((1, 2), (2, 9)):
        chain = Counted(table)
        [found] = found_by(chain, length_penalty=1.0, wanted=wanted)
        assert [h.tokens for h in found] == [(EOS,), (A, EOS)][:wanted]
        assert chain.steps == steps


def test_little_patience_takes_fewer_steps() -> None:
    # The first ends at 0.5, the second at 0.1, which nine tokens of 0.075 could pass; nothing else ends.
    table = {BOS: {EOS: 0.5, A: 0.5}, A: {EOS: 0.2, B: 0.15, PAD: 0.65}, B: {B: 1.0}}
    for patience, steps in ((None, 9), (1, 2), (1.5, 9)):
        chain = Counted(table)
        [found] = found_by(chain, length_penalty=1.0, patience=patience)
        assert told(found) == {(EOS,): 0.5, (A, EOS): 0.1}
        assert chain.steps == steps


def test_a_source_is_left_as_soon_as_nothing_can_enter_its_pool() -> None:
    # The two ends are worth 0.5 and 0.1. What goes on is worth 0.075, which the penalty of nine tokens, were they the
    # end, would lift above 0.1; without one nothing does, and with α below 0 the longer only loses.
    table = {BOS: {EOS: 0.5, A: 0.5}, A: {EOS: 0.2, B: 0.15, PAD: 0.65}, B: {B: 1.0}}
    for length_penalty, steps in ((0.0, 2), (1.0, 9), (-0.5, 2)):
        chain = Counted(table)
        [found] = found_by(chain, length_penalty=length_penalty)
        assert told(found) == {(EOS,): 0.5, (A, EOS): 0.1}
        assert chain.steps == steps


def test_a_source_is_left_when_nothing_goes_on() -> None:
    chain = Counted({BOS: {EOS: 0.5, A: 0.5}, A: {EOS: 1.0}})
    others = [token for token in range(VOCABULARY) if token not in (A, EOS)]
    only_one_a = Constraints(forbidden=others, no_repeat_ngram_size=1)
    [found] = found_by(chain, beam_size=5, length_penalty=1.0, constraints=only_one_a)
    assert told(found) == {(EOS,): 0.5, (A, EOS): 0.5}
    assert chain.steps == 2


def test_a_finished_hypothesis_stays_what_it_is_while_others_go_on() -> None:
    table = {BOS: {EOS: 0.5, A: 0.5}, A: {A: 1.0}}
    [found] = found_by(Chain(table), max_length=5)
    assert told(found) == {(EOS,): 0.5, (A, A, A, A, A): 0.5}


def test_sources_keep_their_places_when_they_end_at_different_times() -> None:
    late = {BOS: {A: 1.0}, A: {B: 1.0}, B: {EOS: 1.0}}
    early = {BOS: {EOS: 1.0}}
    never = {BOS: {B: 1.0}, B: {B: 1.0}}
    found = found_by(Chain(late, early, never, early, late), beam_size=1, max_length=4)
    assert [hypotheses[0].tokens for hypotheses in found] == [(A, B, EOS), (EOS,), (B, B, B, B), (EOS,), (A, B, EOS)]


def test_padding_and_the_begin_symbol_are_never_written() -> None:
    table = {BOS: {PAD: 0.5, BOS: 0.3, A: 0.15, EOS: 0.05}, A: {PAD: 0.9, EOS: 0.1}}
    [found] = found_by(Chain(table))
    assert told(found) == {(EOS,): 0.05, (A, EOS): 0.015}
    for draw in range(5):
        [[drawn]] = found_by(Chain(table), beam_size=1, strategy=Sampling(draw), max_length=2)
        assert not {PAD, BOS} & set(drawn.tokens)


DRAWN = {BOS: {A: 0.5, B: 0.2, EOS: 0.3}, A: {EOS: 0.75, B: 0.25}, B: {EOS: 1.0}}


def draws(count: int, *, seed: int, temperature: float = 1.0) -> Counter[tuple[int, ...]]:
    strategy = Sampling(seed, temperature)
    [found] = found_by(Chain(DRAWN), beam_size=count, strategy=strategy, max_length=3)
    return Counter(hypothesis.tokens for hypothesis in found)


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_draws_are_as_frequent_as_they_are_likely(temperature: float) -> None:
    def sharpened(*probabilities: float) -> list[float]:
        powers = [probability ** (1 / temperature) for probability in probabilities]
        return [power / sum(powers) for power in powers]

    a, b, end = sharpened(0.5, 0.2, 0.3)
    a_end, a_b = sharpened(0.75, 0.25)
    expected = {(A, EOS): a * a_end, (A, B, EOS): a * a_b, (B, EOS): b, (EOS,): end}
    count = 4000
    found = draws(count, seed=1, temperature=temperature)
    assert set(found) == set(expected)
    for tokens, probability in expected.items():
        deviation = math.sqrt(count * probability * (1 - probability))
        assert abs(found[tokens] - count * probability) < 4 * deviation


@pytest.mark.parametrize(
    ("cut", "kept"),
    [
        ({"top_k": 1}, [A]),
        ({"top_k": 2}, [A, EOS]),
        ({"top_k": 9}, [A, B, EOS]),
        ({"top_p": 0.5}, [A]),
        ({"top_p": 0.51}, [A, EOS]),
        ({"top_p": 0.81}, [A, B, EOS]),
        ({"top_p": 1e-9}, [A]),
        ({"top_k": 2, "top_p": 0.6}, [A]),  # A has 0.625 of what the two have
        ({"temperature": 0.5, "top_p": 0.6}, [A]),  # A has 0.66 of the squares
    ],
)
def test_draws_are_of_the_likeliest_tokens(cut: dict[str, Any], kept: list[int]) -> None:
    strategy = Sampling(1, **cut)
    [found] = found_by(Chain({BOS: DRAWN[BOS]}), beam_size=600, strategy=strategy, max_length=1)
    counts = Counter(hypothesis.tokens[0] for hypothesis in found)
    assert sorted(counts) == sorted(kept)
    sharpened = {token: DRAWN[BOS][token] ** (1 / cut.get("temperature", 1.0)) for token in kept}
    for token in kept:
        share = sharpened[token] / sum(sharpened.values())
        assert abs(counts[token] - 600 * share) < 5 * math.sqrt(600 * share * (1 - share)) + 1e-9
    # What is told is the model's own probability.
    assert {round(math.exp(h.log_prob), 6) for h in found} == {DRAWN[BOS][token] for token in kept}


def test_the_seed_decides_the_draws() -> None:
    assert draws(50, seed=7) == draws(50, seed=7)
    assert draws(50, seed=7) != draws(50, seed=8)


def test_draws_of_different_sources_are_as_frequent_as_they_are_likely() -> None:
    sources = 3000
    found = found_by(Chain(*[DRAWN] * sources), beam_size=2, strategy=Sampling(2**64 - 1), max_length=3)
    one, other = ([hypotheses[at].tokens for hypotheses in found] for at in (0, 1))
    expected = {(A, EOS): 0.375, (A, B, EOS): 0.125, (B, EOS): 0.2, (EOS,): 0.3}
    counts = Counter((*one, *other))
    chi_square = sum((counts[each] - 2 * sources * p) ** 2 / (2 * sources * p) for each, p in expected.items())
    assert chi_square < 16.27  # three degrees of freedom, which one seed in a thousand exceeds
    # Hypotheses of a source are drawn on their own.
    equal = sum(first == second for first, second in zip(one, other, strict=True))
    share = sum(p**2 for p in expected.values())
    assert abs(equal - sources * share) < 4 * math.sqrt(sources * share * (1 - share))


def test_a_source_is_drawn_for_by_its_row_alone() -> None:
    tables = [random_tables(random.Random(seed), longest=6) for seed in range(9)]
    asked = {"beam_size": 3, "max_length": 6}
    together = found_by(Timed(*tables), strategy=Sampling(5), **asked)
    assert len({hypothesis.tokens for hypotheses in together for hypothesis in hypotheses}) > 9
    for rows in ([4], [7, 2], [8, 0, 4]):
        strategy = Sampling(5).for_rows(rows)
        found = found_by(Timed(*(tables[row] for row in rows)), strategy=strategy, **asked)
        assert [told(hypotheses) for hypotheses in found] == [told(together[row]) for row in rows]
    # A draw does not depend on how many there are.
    [more] = found_by(Timed(tables[4]), strategy=Sampling(5).for_rows([4]), beam_size=8, max_length=6)
    assert told(together[4]).keys() < told(more).keys()


def test_draws_may_be_equal_and_each_has_the_models_log_probability() -> None:
    strategy = Sampling(1, temperature=0.5)
    [found] = found_by(Chain(DRAWN), beam_size=20, strategy=strategy, max_length=3, length_penalty=1.0)
    assert len(found) == 20
    likely = {(A, EOS): 0.375, (A, B, EOS): 0.125, (B, EOS): 0.2, (EOS,): 0.3}
    assert told(found) == {tokens: likely[tokens] for tokens in told(found)}
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)

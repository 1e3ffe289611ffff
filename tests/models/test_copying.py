"""Copying words of the source (See, Liu and Manning 2017), against the equations and against brute force.

B=3 sources, K=2 hypotheses of each, V=11 entries of the vocabulary, W=13 words with those of the sources.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from combinations import CELL, QUERIES, SELECTION, WINDOW, Overrides
from tiny import TARGET_VOCABULARY, built, close, configured, part_of, row_of, tokens
from torch import Tensor

from attncli.data.tokens import Copies, Tokens, pad_tokens
from attncli.decoding.search import Hypothesis, search
from attncli.decoding.strategies import BestK
from attncli.errors import ConfigError
from attncli.models.copying import Copying, mixed
from attncli.models.encoder_decoder import EncoderDecoder
from attncli.models.rows import take_rows
from attncli.text.tokenizer import BOS, EOS, PAD, UNK

WORDS = TARGET_VOCABULARY + 2
# The first source has a word of its own twice, the second has none, the third has two. EOS is copied as itself.
SOURCE = replace(
    tokens([4, 3, 6, 3], [7], [3, 9, 10, 4, 3]),
    copies=Copies(
        torch.tensor([[5, 11, 6, 11, EOS, PAD], [8, EOS, PAD, PAD, PAD, PAD], [11, 9, 10, 4, 12, EOS]]), WORDS
    ),
)
TARGET = tokens([5, 11], [6, 7, 8, 9], [12, 11, 4])  # 11 and 12 are words of the sources
K = 2

CASES: dict[str, Overrides] = {
    **QUERIES,
    **{f"current-{name}": CELL[name] for name in CELL},
    **{f"feeding-{name}": (*QUERIES["feeding"], *WINDOW[name]) for name in WINDOW if name != "global"},
    **{f"previous-{name}": (*QUERIES["previous"], *SELECTION[name]) for name in SELECTION if name != "soft"},
    "lstmn": ("model.decoder={kind: lstmn, hidden_size: 8}",),
    "coverage": ("model.attention={score: additive, coverage: true}",),
    "gate": ("model.decoder.gate=true",),
    "tied": ("model.tied_embeddings=target",),
}
EVERY_CASE = pytest.mark.parametrize("overrides", CASES.values(), ids=CASES)


def copying(overrides: Overrides, *, spread: float = 1.0) -> EncoderDecoder:
    return built(*overrides, "model.decoder.copying=true", spread=spread)


def alone(at: int) -> Tokens:
    """Return source `at` without padding; what may be written stays the same."""
    row = row_of(SOURCE, at)
    assert SOURCE.copies is not None
    return replace(row, copies=Copies(SOURCE.copies.ids[at : at + 1, : row.ids.shape[1]], WORDS))


def log_prob_of(model: EncoderDecoder, at: int, written: tuple[int, ...]) -> float:
    target = pad_tokens([np.array(written)])
    return float(model.log_probs_of(model.force(alone(at), target), target).sum())


def test_words_are_mixed_as_the_equation_says() -> None:
    generator = torch.Generator().manual_seed(1)
    rows, positions, vocabulary = 4, 3, 5  # two rows of each of two sources
    logits = torch.randn(rows, vocabulary, generator=generator)
    weights = torch.rand(rows, positions, generator=generator)
    generates = torch.randn(rows, generator=generator)
    ids = [[2, 6, 2], [5, 4, 5]]
    found = mixed(logits, weights, generates, Copies(torch.tensor(ids), 7))
    for row in range(rows):
        p = 1 / (1 + math.exp(-float(generates[row])))
        shares = weights[row] / weights[row].sum()
        for word in range(7):
            expected = p * float(logits[row].softmax(-1)[word]) if word < vocabulary else 0.0
            expected += (1 - p) * sum(float(shares[s]) for s in range(positions) if ids[row // 2][s] == word)
            assert math.exp(found[row, word]) == pytest.approx(expected, abs=1e-6)


@EVERY_CASE
@torch.inference_mode()
def test_probabilities_sum_to_one_over_the_words_of_vocabulary_and_source(overrides: Overrides) -> None:
    model = copying(overrides)
    step = first_step(model)
    close(step.exp().sum(-1), torch.ones(3), tolerance=1e-5)
    assert (step[1, TARGET_VOCABULARY:] == -math.inf).all()  # the second source has no word of its own
    assert (step[0, TARGET_VOCABULARY] > -math.inf).all()


def first_step(model: EncoderDecoder) -> Tensor:
    prepared = model.decoder.prepare(model.encode(SOURCE))
    return model.decoder.step(torch.full((3,), BOS), model.decoder.start(prepared), prepared).logits


@EVERY_CASE
def test_generating_alone_is_the_vocabulary_and_copying_alone_the_attention(overrides: Overrides) -> None:
    model = copying(overrides)
    gate = part_of(model, "decoder.copying", Copying).generates
    with torch.inference_mode():
        gate.weight.zero_()
        gate.bias.fill_(200.0)
        generated = first_step(model)
        prepared = model.decoder.prepare(model.encode(SOURCE))
        forced = model.decoder.force(torch.full((3, 1), BOS), prepared)
        close(generated[:, :TARGET_VOCABULARY], model.decoder.output(forced.features)[:, 0].log_softmax(-1))
        assert (generated[:, TARGET_VOCABULARY:] == -math.inf).all() or generated[:, TARGET_VOCABULARY:].max() < -100
        gate.bias.fill_(-200.0)
        assert forced.weights is not None
        copied, weights = first_step(model).exp(), forced.weights[:, 0] / forced.weights[:, 0].sum(-1, keepdim=True)
    assert SOURCE.copies is not None
    for at, word in product(range(3), range(WORDS)):
        held = SOURCE.copies.ids[at] == word
        close(copied[at, word], weights[at][held].sum(), tolerance=1e-5)


@EVERY_CASE
@torch.inference_mode()
def test_stepping_gives_what_forcing_gives(overrides: Overrides) -> None:
    model = copying(overrides)
    decoder, memory = model.decoder, model.encode(SOURCE)
    every_k = torch.arange(3).repeat_interleave(K)
    written = torch.randint(UNK, WORDS, (3 * K, 4), generator=torch.Generator().manual_seed(5))
    written[2:4] = written[2:4].clamp(max=TARGET_VOCABULARY - 1)  # of the second source
    written[:2] = written[:2].clamp(max=TARGET_VOCABULARY)
    target = Tokens(written, torch.full((3 * K,), 4))
    expected = model.log_probs_of(model.force_memory(take_rows(memory, every_k), target), target)
    prepared = decoder.prepare(memory)
    state, previous = take_rows(decoder.start(prepared), every_k), torch.full((3 * K,), BOS)
    for t in range(4):
        step = decoder.step(previous, state, prepared)
        close(step.logits.gather(1, written[:, t : t + 1])[:, 0], expected[:, t], tolerance=1e-4)
        state, previous = step.state, written[:, t]


@EVERY_CASE
@torch.inference_mode()
def test_a_batch_gives_what_its_rows_give_alone(overrides: Overrides) -> None:
    model = copying(overrides)
    found = model.log_probs_of(model.force(SOURCE, TARGET), TARGET)
    for at in range(3):
        target = row_of(TARGET, at)
        close(model.log_probs_of(model.force(alone(at), target), target)[0], found[at, : target.ids.shape[1]])


@EVERY_CASE
def test_a_training_step_reaches_every_parameter(overrides: Overrides) -> None:
    model = copying(overrides).train()
    torch.manual_seed(3)
    loss = model.loss(SOURCE, TARGET, label_smoothing=0.0)
    loss.total.backward()  # type: ignore[no-untyped-call]
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name
    assert loss.terms == 3 + 5 + 4


def test_the_loss_is_minus_the_log_probability_of_the_targets() -> None:
    model = copying(())
    with torch.inference_mode():
        loss = model.loss(SOURCE, TARGET, label_smoothing=0.0)
        found = [log_prob_of(model, at, tuple(row_of(TARGET, at).ids[0].tolist())) for at in range(3)]
    assert float(loss.reported) == pytest.approx(-sum(found), rel=1e-5)


def test_its_gradient_is_that_of_finite_differences() -> None:
    model = copying(()).double()
    for parameter in model.parameters():
        parameter.grad = None
    model.loss(SOURCE, TARGET, label_smoothing=0.0).total.backward()  # type: ignore[no-untyped-call]
    for name in (
        "decoder.copying.generates.weight",
        "decoder.output.classify.weight",
        "decoder.attention.score.query.weight",
    ):
        weight = model.get_parameter(name)
        at = (*(0 for _ in weight.shape[:-1]), 1)
        assert weight.grad is not None
        values = []
        for change in (1e-3, -1e-3):
            with torch.no_grad():
                weight[at] += change
                values.append(float(model.loss(SOURCE, TARGET, label_smoothing=0.0).total))
                weight[at] -= change
        assert float(weight.grad[at]) == pytest.approx((values[0] - values[1]) / 2e-3, rel=1e-2, abs=1e-3)


@EVERY_CASE
def test_every_hypothesis_is_worth_what_it_says(overrides: Overrides) -> None:
    model = copying(overrides, spread=1.6)
    for at, hypotheses in enumerate(found_by(model, beam_size=3)):
        assert len({hypothesis.tokens for hypothesis in hypotheses}) == len(hypotheses) == 3
        for hypothesis in hypotheses:
            with torch.inference_mode():
                assert hypothesis.log_prob == pytest.approx(log_prob_of(model, at, hypothesis.tokens), abs=1e-4)


def found_by(model: EncoderDecoder, *, beam_size: int, longest: int = 4) -> list[list[Hypothesis]]:
    with torch.inference_mode():
        memory = model.encode(SOURCE)
    return search(model.decoder, memory, strategy=BestK(), beam_size=beam_size, max_length=longest, length_penalty=0.0)


@EVERY_CASE
def test_what_is_generated_may_be_limited_and_what_is_copied_is_not(overrides: Overrides) -> None:
    model, limited = copying(overrides, spread=1.6), copying(overrides, spread=1.6)
    allowed = torch.zeros(3, TARGET_VOCABULARY, dtype=torch.bool)
    allowed[:, [EOS, 5, 8]] = True
    with torch.inference_mode():
        narrowed = model.narrowed(model.encode(SOURCE), allowed)
    asked = {"strategy": BestK(), "beam_size": 3, "max_length": 4, "length_penalty": 0.0}
    found = search(model.decoder, narrowed, **asked)  # type: ignore[arg-type]
    with torch.no_grad():
        limited.decoder.output.classify.bias[~allowed[0]] = -torch.inf
    for ranked, expected in zip(found, found_by(limited, beam_size=3), strict=True):
        assert [each.tokens for each in ranked] == [each.tokens for each in expected]
        assert [h.log_prob for h in ranked] == pytest.approx([h.log_prob for h in expected], abs=1e-4)


def test_a_wide_beam_finds_the_best_of_all_targets_with_words_of_the_source() -> None:
    model = copying((), spread=1.6)
    found = found_by(model, beam_size=200, longest=3)
    open_words = [word for word in range(WORDS) if word not in (PAD, BOS, EOS)]
    for at in range(3):
        targets = [(EOS,), *((word, EOS) for word in open_words)]
        targets += [(*pair, end) for pair in product(open_words, repeat=2) for end in (EOS, *open_words)]
        with torch.inference_mode():
            best = max(log_prob_of(model, at, target) for target in targets)
        assert found[at][0].log_prob == pytest.approx(best, abs=1e-4)


def test_some_words_of_the_sources_are_written() -> None:
    found = [found_by(copying(overrides, spread=1.6), beam_size=3) for overrides in CASES.values()]
    assert any(max(each.tokens) >= TARGET_VOCABULARY for case in found for ranked in case for each in ranked)


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (
            ("model.attention=none",),
            "model.decoder.copying: copies by the weights, of which model.attention: none has none; remove it",
        ),
        (
            ("training.label_smoothing=0.1",),
            "training.label_smoothing: smooths over the vocabulary, which model.decoder.copying extends for every "
            "source; set it to 0",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(overrides: Overrides, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        configured(*overrides, "model.decoder.copying=true")

"""The probabilities of prefixes against sums over all alignments of all targets that begin with them."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from ctc_paths import LABELS, Target, prefixes, some_ctc, sources

from attncli.models.ctc_prefixes import CTCPrefixes
from attncli.models.decoders.decoder import Step
from attncli.models.rows import take_rows
from attncli.text.tokenizer import BOS, EOS, PAD

PREFIXES: list[Target] = [each for length in range(5) for each in itertools.product(LABELS, repeat=length)]


def after(decoder: CTCPrefixes, prefix: Target, *, seed: int = 1) -> Step:
    """Return the step after `prefix`, of two equal rows for each source."""
    _, memory = some_ctc(seed=seed)
    prepared = decoder.prepare(memory)
    state = take_rows(decoder.start(prepared), torch.arange(3).repeat_interleave(2))
    for token in (BOS, *prefix):
        step = decoder.step(torch.full((6,), token), state, prepared)
        state = step.state
    return step


@torch.inference_mode()
@pytest.mark.parametrize("seed", [1, 2])
def test_what_follows_a_prefix_has_the_quotient_of_the_probabilities(seed: int) -> None:
    ctc, memory = some_ctc(seed=seed)
    decoder, known = CTCPrefixes(ctc), list(sources(ctc, memory))
    for prefix in PREFIXES:
        step = after(decoder, prefix, seed=seed)
        for row, of_source in enumerate(known):
            begun = prefixes(of_source)
            if prefix not in begun:
                assert step.state.log_prob[2 * row] == -math.inf
                continue
            assert float(step.state.log_prob[2 * row]) == pytest.approx(math.log(begun[prefix]), abs=1e-5)
            found = step.log_probs()[2 * row].exp()
            assert float(found[EOS]) == pytest.approx(of_source.get(prefix, 0.0) / begun[prefix], abs=1e-5)
            for label in LABELS:
                expected = begun.get((*prefix, label), 0.0) / begun[prefix]
                assert float(found[label]) == pytest.approx(expected, abs=1e-5)
            assert torch.equal(step.log_probs()[2 * row], step.log_probs()[2 * row + 1])


@torch.inference_mode()
def test_the_end_and_all_extensions_have_the_probability_of_the_prefix_together() -> None:
    ctc, _ = some_ctc()
    for prefix in PREFIXES:
        found = after(CTCPrefixes(ctc), prefix).log_probs()
        assert found.exp().sum(1).tolist() == pytest.approx([1.0] * 6, abs=1e-5)
        assert (found[:, [PAD, BOS]] == -math.inf).all()


@torch.inference_mode()
def test_after_what_cannot_be_written_there_is_only_the_end() -> None:
    ctc, _ = some_ctc()
    found = after(CTCPrefixes(ctc), (4, 4, 4, 4)).log_probs()[4]  # two positions
    assert found.argmax() == EOS
    assert found.exp().tolist() == [float(token == EOS) for token in range(6)]


@torch.inference_mode()
def test_a_long_source_of_sure_positions_writes_what_they_say() -> None:
    """Probabilities of e^-2000 are neither 0 nor lost in rounding."""
    ctc, memory = some_ctc(sharpness=0.0)
    frames = 1000
    states = torch.zeros(1, frames, 7)
    logits = torch.full((frames, 6), 0.0)
    spoken = [4, PAD, 4, 5]
    for at in range(frames):
        logits[at, spoken[at * len(spoken) // frames]] = 2.0  # 0.6 sure
    ctc.output.forward = lambda *_: logits[None]  # type: ignore[method-assign]
    decoder = CTCPrefixes(ctc)
    long = type(memory).of(states, torch.ones(1, frames, dtype=torch.bool), states[:, 0])
    prepared = decoder.prepare(long)
    state, written, total = decoder.start(prepared), [BOS], 0.0
    for token in (4, 4, 5, EOS):
        step = decoder.step(torch.tensor(written[-1:]), state, prepared)
        state, total = step.state, total + float(step.log_probs()[0, token])
        written.append(token)
    log_probs = ctc.log_probs(long)[0]
    loss = torch.nn.functional.ctc_loss(
        log_probs[:, None].double(),
        torch.tensor([[4, 4, 5]]),
        torch.tensor([frames]),
        torch.tensor([3]),
        blank=PAD,
        reduction="sum",
    )
    assert float(loss) > 300
    assert total == pytest.approx(-float(loss), rel=1e-6)

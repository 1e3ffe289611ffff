"""CTC against sums over all alignments."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from ctc_paths import LABELS, VOCABULARY, collapsed, some_ctc, sources

from attncli.data.tokens import pad_tokens
from attncli.text.tokenizer import BOS, EOS, PAD


def test_a_path_writes_what_is_left_without_repetitions_and_blanks() -> None:
    assert collapsed((PAD, 4, 4, PAD, 4, 5, 5, PAD)) == (4, 4, 5)


def test_positions_write_tokens_or_blank_but_no_symbol_of_begin_or_end() -> None:
    ctc, memory = some_ctc()
    probs = ctc.log_probs(memory).detach().exp()
    assert probs.shape == (3, 5, VOCABULARY)
    assert probs.sum(-1).flatten().tolist() == pytest.approx([1] * 15, abs=1e-6)
    assert float(probs[..., [BOS, EOS]].max()) == 0
    assert float(probs[..., [PAD, *LABELS]].min()) > 0


def test_the_loss_is_minus_the_log_of_the_sum_over_all_alignments() -> None:
    ctc, memory = some_ctc()
    written = [(4, 4), (5, 3, 5, 4), (3,)]
    target = pad_tokens([np.array([*each, EOS]) for each in written])
    expected = [-math.log(known[each]) for known, each in zip(sources(ctc, memory), written, strict=True)]
    assert ctc.loss(memory, target).item() == pytest.approx(sum(expected), rel=1e-5)


def test_an_empty_target_is_written_by_blanks() -> None:
    ctc, memory = some_ctc()
    target = pad_tokens([np.array([*each, EOS]) for each in ((), (4,), ())])
    known = list(sources(ctc, memory))
    expected = -sum(math.log(each) for each in (known[0][()], known[1][4,], known[2][()]))
    assert ctc.loss(memory, target).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("too_long", [(4, 5, 3), (4, 4)], ids=["tokens", "repetition"])
def test_a_target_that_needs_more_positions_than_there_are_adds_nothing(too_long: tuple[int, ...]) -> None:
    ctc, memory = some_ctc()
    assert too_long not in list(sources(ctc, memory))[2]
    others = [np.array([4, EOS]), np.array([5, 3, EOS])]
    loss = ctc.loss(memory, pad_tokens([*others, np.array([*too_long, EOS])]))
    known = list(sources(ctc, memory))
    assert loss.item() == pytest.approx(-math.log(known[0][4,]) - math.log(known[1][5, 3]), rel=1e-5)
    loss.backward()  # type: ignore[no-untyped-call]
    gradient = ctc.output.classify.weight.grad
    assert gradient is not None
    assert torch.isfinite(gradient).all()


def test_its_gradient_is_that_of_the_sum_over_all_alignments() -> None:
    ctc, memory = some_ctc()
    target = pad_tokens([np.array([*each, EOS]) for each in ((4, 5), (3, 3), (5,))])
    ctc.loss(memory, target).backward()  # type: ignore[no-untyped-call]
    bias, step = ctc.output.classify.bias, 1e-2
    assert bias.grad is not None
    for label in (PAD, *LABELS):
        losses = []
        for sign in (1, -1):
            with torch.no_grad():
                bias[label] += sign * step
                losses.append(
                    -sum(
                        math.log(known[each])
                        for known, each in zip(sources(ctc, memory), ((4, 5), (3, 3), (5,)), strict=True)
                    )
                )
                bias[label] -= sign * step
        assert float(bias.grad[label]) == pytest.approx((losses[0] - losses[1]) / (2 * step), rel=1e-2, abs=1e-3)
    assert bias.grad[[BOS, EOS]].tolist() == [0, 0]

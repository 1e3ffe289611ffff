"""Dropout: how much it drops, what it keeps, and where its draws come from."""

from __future__ import annotations

import math

import pytest
import torch
from tiny import close

from attncli.models.dropout import Dropout


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.9])
def test_as_many_are_dropped_as_asked_and_the_mean_stays(rate: float) -> None:
    torch.manual_seed(1)
    count = 300_001
    found = Dropout(rate)(torch.ones(count))
    dropped = float((found == 0).float().mean())
    assert abs(dropped - rate) < 5 * math.sqrt(rate * (1 - rate) / count)
    assert abs(float(found.mean()) - 1) < 5 * math.sqrt(rate / (1 - rate) / count)
    assert len(found.unique()) == 2
    close(found.max(), torch.tensor(1 / (1 - rate)), tolerance=2e-4)


def test_no_value_s_fate_tells_that_of_another_near_it() -> None:
    torch.manual_seed(2)
    dropped = (Dropout(0.3)(torch.ones(200_000)) == 0).float() - 0.3
    for distance in range(1, 9):
        together = float((dropped[distance:] * dropped[:-distance]).mean())
        assert abs(together) < 5 * 0.3 * 0.7 / math.sqrt(len(dropped)), distance


def test_places_are_as_likely_as_each_other_whatever_their_number_in_a_draw_of_64_bits() -> None:
    torch.manual_seed(3)
    dropped = (Dropout(0.25)(torch.ones(50_000, 4)) == 0).float().mean(0)
    assert (dropped - 0.25).abs().max() < 5 * math.sqrt(0.25 * 0.75 / 50_000)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_the_gradient_goes_through_what_was_kept_alone(kind: torch.dtype) -> None:
    torch.manual_seed(4)
    values = torch.randn(3, 5, 7, dtype=kind).requires_grad_()
    found = Dropout(0.5)(values)
    assert found.dtype == kind
    found.sum().backward()
    assert values.grad is not None
    kept = found != 0
    assert 0 < int(kept.sum()) < kept.numel()
    close(values.grad, 2.0 * kept.to(kind))


def test_nothing_is_dropped_outside_of_training_or_at_a_rate_of_0() -> None:
    values = torch.randn(2, 3)
    assert Dropout(0.5).eval()(values) is values
    assert Dropout(0.0)(values) is values


def test_draws_come_from_torch_s_random_state_and_are_new_each_time() -> None:
    layer, values = Dropout(0.5), torch.ones(64)
    torch.manual_seed(5)
    first, second = layer(values), layer(values)
    torch.manual_seed(5)
    assert torch.equal(layer(values), first)
    assert not torch.equal(first, second)


def test_values_that_lie_apart_in_memory_are_dropped_like_others() -> None:
    torch.manual_seed(6)
    values = torch.ones(40, 50).t()
    found = Dropout(0.5)(values)
    assert found.shape == (50, 40)
    assert abs(float((found == 0).float().mean()) - 0.5) < 5 * 0.5 / math.sqrt(2000)

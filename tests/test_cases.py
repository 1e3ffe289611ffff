"""The cases of the benchmark: what they cost, and that they are configurations."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from benchmark_modules import benchmark_module

from attncli.config.load import read_config
from attncli.config.shipped import shipped_file


@pytest.fixture(scope="module")
def cases() -> ModuleType:
    return benchmark_module("cases")


def test_a_token_costs_what_its_products_cost(cases: ModuleType) -> None:
    # Counted by hand in MFLOP, forward: output 8.19, decoder gates 5.24, encoder gates 2.03, readout 1.05, query 0.52,
    # keys 0.51.
    [shipped] = cases.cases_of(torch.device("cpu")).trainings
    assert shipped.flop_per_target_token == pytest.approx(3e6 * (8.19 + 5.24 + 2.03 + 1.05 + 0.52 + 0.51), rel=0.002)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_trainings_are_configurations_of_their_widths(cases: ModuleType, device: str) -> None:
    found = cases.cases_of(torch.device(device))
    path = shipped_file(cases.CONFIG)
    assert path is not None
    for case in found.trainings:
        config: Any = read_config(path, [f"{key}={value}" for key, value in case.settings.items()])
        assert config.model.decoder.hidden_size == config.model.encoder.hidden_size == (case.hidden or 512)
        assert config.training.batch_tokens == (case.batch_tokens or 100_000)
        assert config.training.batch_sentences == (None if case.batch_tokens else 80)
    assert "beam 5, batch 64" in found.searches
    assert set(found.precisions.values()) <= {each.name for each in found.products}


def test_a_card_is_measured_in_every_precision_with_two_widths_and_batches(cases: ModuleType) -> None:
    found = cases.cases_of(torch.device("cuda"))
    assert set(found.precisions) == {"fp32", "tf32", "bf16"}
    sizes = {(case.hidden, case.batch_tokens) for case in found.trainings}
    assert sizes == {(512, 4096), (512, 25_000), (1024, 4096), (1024, 25_000)}
    assert {(5, 64), (5, 512)} <= set(found.searches.values())
